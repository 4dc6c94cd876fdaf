//! Production's answers against the shadow's: would this release have survived production?
//!
//! A [`Pair`] is one exchange with both answers. Comparing it is a pure function of the two and of rules; it gives a list of
//! [`Difference`]s, each with a kind and a path, so that a million pairs make a short list. What came of a whole run is a
//! [`document::Document`]: everything that a report shows is in there, and every way to show it reads that alone.
#![forbid(unsafe_code)]

mod align;
mod bodies;
mod causes;
mod challenges;
mod charset;
mod comparer;
mod comparing;
mod cookie_attributes;
mod cookies;
mod correlation;
pub mod counters;
mod difference;
mod difference_collector;
mod display_value;
pub mod document;
mod echo;
mod embedded_field;
mod embedded_time;
mod equal_pair;
#[cfg(any(test, feature = "testing"))]
pub mod example;
pub mod fail_on;
mod fields;
mod form;
mod graphql;
mod grpc;
mod grpc_call;
mod grpc_descriptors;
mod head;
mod heads;
pub mod histogram;
mod hosts;
mod ids;
mod intake;
mod json;
mod judging;
pub mod live;
mod mapped;
mod markup;
mod moments;
pub mod noise;
mod pair;
mod pairing;
mod path;
mod pattern;
mod races;
mod relative_time;
mod repeats;
mod route_by;
pub mod routes;
mod rules;
mod rules_file;
mod secrets;
mod settings;
#[cfg(test)]
mod simulation;
pub mod statistics;
pub mod store;
mod tally;
#[cfg(test)]
mod tests;
mod text;
mod time_distance;
pub mod verdict;
mod witness;
mod worded_time;

pub use causes::causes;
pub use comparer::{Comparer, add_by_name};
pub use comparing::compare;
pub use correlation::{CorrelateSettings, Correlated, Correlation};
pub use difference::{Difference, Kind};
pub use difference_collector::Compared;
pub use equal_pair::EqualPair;
pub use grpc_call::{called, is_call};
pub use grpc_descriptors::{Asking, GrpcDescriptors};
pub use hosts::{CompareContext, Hosts};
pub use intake::{Finished, Intake, Unpaired};
pub use judging::{Judging, Secrets};
pub use mapped::{Mapped, MappedPlaces};
pub use pair::{Answer, NotCompared, Pair, Times};
pub use pairing::{Extras, Pairing, Part, ProductionTime};
pub use pattern::{BadPattern, PathPattern};
pub use repeats::Repeats;
pub use route_by::{InvalidRouteBy, RouteBy, Selected};
pub use rules::{ArrayMatch, ArrayRule, IgnoreRule, KnownDifference, RuleId, Rules, Tolerance, Within};
pub use rules_file::{BadRules, RulesFile};
pub use settings::{CompareSettings, ComparingSettings, LearningSettings};
pub use tally::{Facts, Tally};
