//! Which of the pods that inputs and routes lead to are captured at all: by namespace and name, and by labels.

#[cfg(feature = "cluster")]
use std::collections::BTreeMap;
#[cfg(feature = "cluster")]
use std::sync::Arc;

#[cfg(feature = "cluster")]
use super::objects::Pod;
#[cfg(feature = "cluster")]
use super::reflector::ObjectKey;
use shadow_mirror::matching::{MatchError, Pattern};

use super::selector::LabelSelector;

/// Patterns and selectors, as many as are given; without any, every pod passes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PodFilter {
    /// One of them must match, if there are any.
    allowed: Vec<Pattern>,
    /// None of them may match.
    disallowed: Vec<Pattern>,
    /// The labels must meet one of them, if there are any.
    labels: Vec<LabelSelector>,
}

impl PodFilter {
    /// Adds a regular expression for the whole of `NAMESPACE/NAME`: pods that match none of these do not pass.
    ///
    /// # Errors
    ///
    /// Where the expression is none, or too large.
    pub fn allow(&mut self, expression: &str) -> Result<(), MatchError> {
        self.allowed.push(Pattern::regex(expression)?);
        Ok(())
    }

    /// Adds a regular expression for the whole of `NAMESPACE/NAME`: pods that match it do not pass.
    ///
    /// # Errors
    ///
    /// Where the expression is none, or too large.
    pub fn disallow(&mut self, expression: &str) -> Result<(), MatchError> {
        self.disallowed.push(Pattern::regex(expression)?);
        Ok(())
    }

    /// Adds a label selector, as for `kubectl -l`: pods that meet none of these do not pass. What is wrong with it is said.
    ///
    /// # Errors
    ///
    /// Where it is no selector.
    pub fn allow_labels(&mut self, selector: &str) -> Result<(), String> {
        self.labels.push(LabelSelector::parse(selector)?);
        Ok(())
    }
}

#[cfg(feature = "cluster")]
impl PodFilter {
    fn passes(&self, pod: &Pod) -> bool {
        let name = format!("{}/{}", pod.namespace, pod.name);
        let matches = |pattern: &Pattern| pattern.matches(name.as_bytes());
        let meets = |selector: &LabelSelector| selector.matches(&pod.labels);
        (self.allowed.is_empty() || self.allowed.iter().any(matches))
            && !self.disallowed.iter().any(matches)
            && (self.labels.is_empty() || self.labels.iter().any(meets))
    }

    /// Takes those that do not pass out of `pods`.
    pub(super) fn narrow(&self, pods: &mut Arc<BTreeMap<ObjectKey, Arc<Pod>>>) {
        if *self != Self::default() {
            Arc::make_mut(pods).retain(|_, pod| self.passes(pod));
        }
    }
}

#[cfg(all(test, feature = "cluster"))]
mod tests {
    use k8s_openapi::api::core::v1 as core;
    use serde_json::json;

    use super::*;

    /// The pods that pass, of two namespaces and two tracks.
    fn names(filter: &PodFilter) -> Vec<&'static str> {
        let pods = [
            ("shop/web-1", "stable"),
            ("shop/web-2", "canary"),
            ("shop/api-1", "stable"),
            ("pay/web-1", "stable"),
        ];
        let pod = |path: &str, track: &str| {
            let (namespace, name) = path.split_once('/').unwrap();
            let pod = json!({"metadata": {"namespace": namespace, "name": name, "labels": {"track": track}}});
            Pod::slim(serde_json::from_value::<core::Pod>(pod).unwrap())
        };
        let stays = |(path, track): &(&'static str, &str)| filter.passes(&pod(path, track)).then_some(*path);
        pods.iter().filter_map(stays).collect()
    }

    fn filter(allow: &[&str], disallow: &[&str], labels: &[&str]) -> PodFilter {
        let mut filter = PodFilter::default();
        for one in allow {
            filter.allow(one).unwrap();
        }
        for one in disallow {
            filter.disallow(one).unwrap();
        }
        for one in labels {
            filter.allow_labels(one).unwrap();
        }
        filter
    }

    #[test]
    fn without_a_filter_every_pod_passes() {
        assert_eq!(
            names(&PodFilter::default()),
            ["shop/web-1", "shop/web-2", "shop/api-1", "pay/web-1"]
        );
    }

    #[test]
    fn a_pattern_is_about_the_whole_of_namespace_and_name() {
        assert_eq!(
            names(&filter(&["shop/web-.*"], &[], &[])),
            ["shop/web-1", "shop/web-2"]
        );
        assert!(names(&filter(&["web-1"], &[], &[])).is_empty());
    }

    #[test]
    fn one_of_several_is_enough_and_a_disallowed_pod_never_passes() {
        assert_eq!(
            names(&filter(&["pay/.*", "shop/api-.*"], &[], &[])),
            ["shop/api-1", "pay/web-1"]
        );
        assert_eq!(names(&filter(&["shop/.*"], &[".*/web-.*"], &[])), ["shop/api-1"]);
    }

    #[test]
    fn labels_and_patterns_must_both_be_met() {
        assert_eq!(names(&filter(&[], &[], &["track=canary"])), ["shop/web-2"]);
        assert_eq!(
            names(&filter(&["shop/.*"], &[], &["track=canary", "track in (stable)"])),
            ["shop/web-1", "shop/web-2", "shop/api-1"]
        );
    }

    #[test]
    fn what_is_no_pattern_and_no_selector_is_refused() {
        let mut filter = PodFilter::default();
        assert!(filter.allow("shop/(").is_err());
        assert!(filter.disallow(&"a".repeat(5_000)).is_err());
        assert!(filter.allow_labels("track in stable").is_err());
        assert_eq!(filter, PodFilter::default());
    }
}
