//! How an input does, in words that lead out of what is wrong: from what is known of the API to a [`Condition`].

use super::api_error::Trouble;
use super::desired::Condition;
use super::pods::{PodPorts, Why};

/// Why nothing is captured in the first moments.
pub const NOT_YET: &str = "nothing is captured yet: the Kubernetes API has not responded";

/// Nothing is captured before everything that matters was listed once.
pub fn not_listed(trouble: Option<Trouble>) -> Condition {
    Condition::Bad(match trouble {
        Some(trouble) => format!("nothing is captured: {}", in_words(&trouble)),
        None => NOT_YET.to_owned(),
    })
}

/// How an input does that means these pods, and why not more.
pub fn of_pods(pods: &[PodPorts<'_>], why: Option<Why>, trouble: Option<Trouble>) -> Condition {
    match (trouble, why) {
        (Some(trouble), _) => stale(&trouble),
        (None, Some(Why::Missing(what))) => Condition::Bad(format!("nothing is captured: {what}")),
        (None, Some(Why::NoPort(what))) => Condition::Bad(what),
        (None, Some(Why::NoneHere)) => Condition::Idle("no pod on this node matches".to_owned()),
        (None, None) if pods.is_empty() => Condition::Idle("no pod on this node matches".to_owned()),
        (None, None) => Condition::Good,
    }
}

/// The condition of knowledge that may be out of date.
pub fn stale(trouble: &Trouble) -> Condition {
    Condition::Bad(format!("using the last known state: {}", in_words(trouble)))
}

/// The trouble with the API, and the way out.
pub fn in_words(trouble: &Trouble) -> String {
    let way_out = match trouble.reason {
        "forbidden" | "unauthorized" => {
            "; make sure that its ClusterRole and ClusterRoleBinding are those of deploy/kubernetes"
        }
        "unreachable" => "; retrying",
        _ => "",
    };
    format!("{} ({}){way_out}", trouble.words, trouble.reason)
}
