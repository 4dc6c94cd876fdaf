//! The outcome of a comparison in a few lines for the terminal at exit.

use std::fmt::Write;

use super::figures::{copy_delay, duration, moment, percent, rate, ratio, visible};
use super::grouped;
use crate::compare::document::{Comparison, DifferenceRow, Document, NoiseBy};

/// Most sentences that say why: as many rules as fail at once.
const SENTENCES: usize = 8;
/// Most differences listed.
const DIFFERENCES: usize = 10;

/// The word on each comparison, why, how much was compared and what differs most. Control characters of traffic are made
/// visible: a terminal obeys none of them.
pub fn summary(document: &Document) -> String {
    let mut text = format!("\nVerdict: {}\n", document.verdict.text());
    for comparison in &document.comparisons {
        one(&mut text, comparison);
    }
    if document.comparisons.is_empty() {
        text.push_str("  Nothing was compared.\n");
    }
    for note in &document.notes {
        let _ = writeln!(text, "\n  {}", visible(note));
    }
    text
}

fn one(text: &mut String, comparison: &Comparison) {
    let verdict = &comparison.verdict;
    let _ = writeln!(
        text,
        "\n  {}: {}",
        visible(&comparison.title()),
        verdict.word.text()
    );
    if let Some(at) = comparison.ended_ms {
        let _ = writeln!(text, "    its output ended {}", moment(at));
    }
    for why in verdict.why.iter().take(SENTENCES) {
        let _ = writeln!(text, "    - {}", visible(why));
    }
    let coverage = &comparison.coverage;
    let failed: u64 = sum(coverage.failed.values());
    let lost: u64 = sum(coverage.not_compared.values());
    let (eligible, share) = (grouped(coverage.comparable()), percent(coverage.share));
    let mut row = |name: &str, value: &str| {
        let _ = writeln!(text, "    {name:<12}{value}");
    };
    row("coverage", &format!("{share} of {eligible} requests"));
    row(
        "",
        &format!(
            "{} compared, {} failed in the shadow, {} not compared, {} waiting",
            grouped(coverage.compared),
            grouped(failed),
            grouped(lost),
            grouped(coverage.waiting)
        ),
    );
    if coverage.left() > 0 {
        let left = grouped(coverage.left());
        row(
            "",
            &format!("of those not compared, {left} were left by their clients: coverage is without them"),
        );
    }
    row(
        "agreement",
        &format!(
            "{}, {} before noise was removed",
            rate(&comparison.agreement),
            percent(comparison.agreement_raw.share)
        ),
    );
    row("new 5xx", &rate(&comparison.new_5xx));
    let (production, shadow) = (
        comparison.production_latency.last.p99.value,
        comparison.shadow_latency.last.p99.value,
    );
    row(
        "p99",
        &format!(
            "{} in production, {} in the shadow, ratio {}",
            duration(production),
            duration(shadow),
            ratio(&comparison.p99_ratio)
        ),
    );
    if let Some(delay) = &comparison.copy_delay {
        row(
            "copies",
            &format!("sent {} later than production's requests", copy_delay(delay)),
        );
    }
    differences(text, comparison);
}

fn differences(text: &mut String, comparison: &Comparison) {
    let excused = || comparison.differences.iter().filter(|row| row.is_excused());
    let is_noise = |row: &&DifferenceRow| {
        let noise = row.noise.as_ref();
        noise.is_some_and(|noise| !matches!(noise.by, NoiseBy::Known | NoiseBy::LikeControl))
    };
    let noise = comparison.differences.iter().filter(is_noise).count();
    let causes = &comparison.causes;
    if !causes.is_empty() {
        text.push_str("    differences\n");
    }
    for cause in causes.iter().take(DIFFERENCES) {
        let _ = writeln!(
            text,
            "      {:>9}  {}",
            grouped(cause.count),
            visible(&cause.what)
        );
        if let Some(advice) = &cause.advice {
            let _ = writeln!(text, "                 {}", visible(advice));
        }
    }
    let more = (causes.len() as u64)
        .saturating_sub(DIFFERENCES as u64)
        .saturating_add(comparison.differences_beyond);
    if more > 0 {
        let _ = writeln!(text, "      and {} more", grouped(more));
    }
    if comparison.excused > 0 {
        let _ = writeln!(
            text,
            "    excused     {} pairs agree because the control differs there as the shadow does",
            grouped(comparison.excused)
        );
    }
    for row in excused().take(DIFFERENCES) {
        let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "(none)".to_owned());
        let what = format!(
            "{} of {}: {} -> {}",
            row.path,
            row.endpoint,
            value(&row.production),
            value(&row.shadow)
        );
        let _ = writeln!(text, "      {:>9}  {}", grouped(row.count), visible(&what));
    }
    let more = excused().count().saturating_sub(DIFFERENCES);
    if more > 0 {
        let _ = writeln!(text, "      and {} more", grouped(more as u64));
    }
    if noise > 0 {
        let _ = writeln!(text, "      noise: {} more", grouped(noise as u64));
    }
    for known in &comparison.known {
        let often = match known.count {
            0 => "no longer occurs".to_owned(),
            count => format!("{} pairs", grouped(count)),
        };
        let _ = writeln!(text, "      known: {} ({often})", visible(&known.what));
    }
}

/// A document is read from files as well: no sum of it may overflow.
pub(super) fn sum<'a>(counts: impl Iterator<Item = &'a u64>) -> u64 {
    counts.fold(0, |sum, count| sum.saturating_add(*count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::example;

    #[test]
    fn the_summary_can_be_read_at_a_glance() {
        let expected = "
Verdict: NO-GO

  http://staging:80: NO-GO
    - 30 of 9,900 answers are new 5xx: 0.30% (0.21% to 0.43%), and 0.1% may be
    coverage    99.20% of 10,000 requests
                9,900 compared, 20 failed in the shadow, 75 not compared, 5 waiting
    agreement   98.99% (98.80% to 99.20%), 94.95% before noise was removed
    new 5xx     0.30% (0.21% to 0.43%)
    p99         9.00 ms in production, 12.0 ms in the shadow, ratio 1.33 (1.20 to 1.50)
    copies      sent 0.31 ms (p50), 1.20 ms (p99), 40.0 ms (longest) later than production's requests
    differences
             30  status 500 in place of 200 in 30 of 3,000 responses of POST /cart
             70  $.items[*].price is different in 70 of 6,900 responses of GET /items/{id}: 9.99 -> 10.99
      noise: 1 more
";
        assert_eq!(summary(&example::document()), expected);
    }

    #[test]
    fn what_is_excused_is_listed_apart() {
        let mut document = example::document();
        let comparison = &mut document.comparisons[0];
        comparison.excused = 1_187;
        comparison.differences[1].noise = Some(crate::compare::noise::like_control(None));
        comparison.differences[1].count = 1_187;
        let expected = "
    excused     1,187 pairs agree because the control differs there as the shadow does
          1,187  status of POST /cart: 200 -> 500
      noise: 1 more
";
        let text = summary(&document);
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn remarks_are_said_and_what_has_ended_is_marked() {
        let mut document = example::document();
        document.notes = vec!["Something is missing.".to_owned()];
        document.comparisons[0].ended_ms = Some(1_764_000_367_123);
        let text = summary(&document);
        assert!(text.ends_with("\n\n  Something is missing.\n"), "{text}");
        let head = "  http://staging:80: NO-GO\n    its output ended 2025-11-24 16:06:07 UTC\n    - 30";
        assert!(text.contains(head), "{text}");
    }

    #[test]
    fn a_terminal_obeys_nothing_that_traffic_says() {
        let mut document = example::document();
        let cause = &mut document.comparisons[0].causes[0];
        cause.what = "$.\u{1b}]0;owned\u{7}".to_owned();
        cause.advice = Some("\r\u{202e}x".to_owned());
        let text = summary(&document);
        assert!(text.contains("$.⟨U+001B⟩]0;owned⟨U+0007⟩"), "{text}");
        assert!(
            text.chars()
                .all(|character| character == '\n' || !character.is_control())
        );
    }
}
