//! How the thread that follows a cluster tells of itself, and how it behaves.

use shadow_core::cluster_metrics::ClusterMetrics;
use shadow_core::health::Heart;

/// Handles that the thread is given by the run.
pub struct ClusterHooks {
    /// The metrics that it counts in.
    pub metrics: ClusterMetrics,
    /// Beats while it lives.
    pub heart: Heart,
    /// Called on the thread, so that it gives way to production.
    pub lower_priority: fn(),
}
