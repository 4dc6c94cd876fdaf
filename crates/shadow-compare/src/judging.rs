//! How pairs are judged, as settled from the flags.

use shadow_mirror::rules::Redaction;

use super::document::ReleaseNames;
use super::fail_on::FailRule;
use super::hosts::Hosts;
use super::noise::Thresholds;
use super::route_by::RouteBy;
use super::routes::RouteTemplate;
use super::rules::Rules;
use super::verdict;

/// Rules by which pairs are judged.
#[derive(Clone, Debug, PartialEq)]
pub struct Judging {
    /// Rules about what does not count.
    pub rules: Rules,
    /// Whether that is taken for noise; else it counts as any other difference.
    pub by_rules: bool,
    /// Whether what the control shows is taken for noise.
    pub by_control: bool,
    /// Whether what the shadow's second answers show is.
    pub by_repeat: bool,
    /// When something is noise.
    pub thresholds: Thresholds,
    /// Rules that a release fails by, the defaults among them.
    pub fail_on: Vec<FailRule>,
    /// Everything else the verdict depends on.
    pub verdict: verdict::Settings,
    /// Templates of routes.
    pub routes: Vec<RouteTemplate>,
    /// By what requests of one URL are told apart.
    pub route_by: RouteBy,
    /// Most endpoints that are learned.
    pub max_routes: usize,
    /// Most differences that are told apart.
    pub max_differences: usize,
    /// Whether values are shown in examples whose names say that they are secrets.
    pub secrets: Secrets,
    /// Redaction of everything else that is hidden in examples; nothing when `None`.
    pub redaction: Option<Redaction>,
    /// The hosts that the shadow and the control are asked under.
    pub hosts: Hosts,
    /// The names of both releases, for titles.
    pub names: ReleaseNames,
    /// The selection of production's requests that is compared, in words.
    pub selection: Vec<String>,
}

/// Whether secrets are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Secrets {
    /// They are hidden.
    Hidden,
    /// They are shown, as somebody wants.
    Shown,
}
