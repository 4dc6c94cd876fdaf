use proptest::prelude::*;

use super::*;

fn rule(text: &str) -> FailRule {
    text.parse().expect(text)
}

fn error(text: &str) -> String {
    text.parse::<FailRule>().expect_err(text).to_string()
}

#[test]
fn rules_are_a_metric_an_operator_and_a_value() {
    for (text, metric, operator, value, written) in [
        (
            "new_5xx > 0.1%",
            Metric::New5xx,
            Operator::Above,
            0.001,
            "new_5xx > 0.1%",
        ),
        (
            "  new_5xx>=0.001 ",
            Metric::New5xx,
            Operator::AtLeast,
            0.001,
            "new_5xx >= 0.1%",
        ),
        (
            "agreement<99.9 %",
            Metric::Agreement,
            Operator::Below,
            0.999,
            "agreement < 99.9%",
        ),
        (
            "coverage <= 1",
            Metric::Coverage,
            Operator::AtMost,
            1.0,
            "coverage <= 100%",
        ),
        (
            "compared < 5000",
            Metric::Compared,
            Operator::Below,
            5000.0,
            "compared < 5000",
        ),
        (
            "p99_ratio > 110%",
            Metric::P99Ratio,
            Operator::Above,
            1.1,
            "p99_ratio > 1.1",
        ),
        (
            "failed > 7%",
            Metric::Failed,
            Operator::Above,
            0.07,
            "failed > 7%",
        ),
        (
            "endpoint_p99_ratio > 2",
            Metric::EndpointP99Ratio,
            Operator::Above,
            2.0,
            "endpoint_p99_ratio > 2",
        ),
    ] {
        let rule = rule(text);
        assert_eq!(
            (rule.metric, rule.bound),
            (metric, Some((operator, value))),
            "{text}"
        );
        assert_eq!(rule.to_string(), written);
    }
    let off = rule("p99_ratio off");
    assert_eq!((off.metric, off.bound), (Metric::P99Ratio, None));
    assert_eq!(off.to_string(), "p99_ratio off");
}

#[test]
fn what_is_wrong_with_a_rule_is_said() {
    for (text, expected) in [
        (
            "agree < 99%",
            "\"agree\" is not a metric: use one of compared, coverage, capture_loss, behind, new_5xx, failed, \
            agreement, agreement_raw, other_status, p50_ratio, p95_ratio, p99_ratio, endpoint_new_5xx, \
            endpoint_agreement, endpoint_p50_ratio, endpoint_p90_ratio, endpoint_p99_ratio, endpoint_tail_ratio",
        ),
        (
            "new_5xx",
            "after new_5xx, write one of >, >=, <, <= and a value, or off",
        ),
        (
            "new_5xx = 1",
            "after new_5xx, write one of >, >=, <, <= and a value, or off",
        ),
        (
            "new_5xx > ",
            "\"\" is not a value: write a number such as 0.1% or 1.5",
        ),
        (
            "new_5xx > -1",
            "\"-1\" is not a value: write a number such as 0.1% or 1.5",
        ),
        (
            "new_5xx > inf",
            "\"inf\" is not a value: write a number such as 0.1% or 1.5",
        ),
        (
            "new_5xx > 1.1.1",
            "\"1.1.1\" is not a value: write a number such as 0.1% or 1.5",
        ),
        (
            "new_5xx > 1e-3",
            "\"1e-3\" is not a value: write a number such as 0.1% or 1.5",
        ),
        (
            "agreement < 99.9",
            "agreement is a share, at most 1: is 99.9% meant?",
        ),
        ("agreement < 101%", "agreement is a share, at most 100%"),
        ("compared < 50%", "compared is a whole number of pairs"),
        ("compared < 0.5", "compared is a whole number of pairs"),
        ("p99_ratio > 0", "p99_ratio is never 0"),
        (
            "agreement > 99%",
            "agreement > 99% would fail a release for being good: more is better, so write \
            agreement <",
        ),
        (
            "new_5xx < 1%",
            "new_5xx < 1% would fail a release for being good: less is better, so write new_5xx >",
        ),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn a_rule_replaces_the_default_of_its_metric() {
    let text = |given: &[&str]| {
        let given: Vec<_> = given.iter().map(|text| rule(text)).collect();
        let rules = FailRule::in_force(&given);
        rules.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let defaults = text(&[]);
    assert_eq!(
        defaults,
        [
            "compared < 5000",
            "coverage < 95%",
            "capture_loss > 0.5%",
            "behind > 1%",
            "new_5xx > 0.1%",
            "failed > 0.1%",
            "agreement < 99.9%",
            "p99_ratio > 1.5",
            "endpoint_new_5xx > 1%",
            "endpoint_agreement < 99%",
            "endpoint_p50_ratio > 1.5",
            "endpoint_p90_ratio > 1.5",
            "endpoint_p99_ratio > 1.5",
            "endpoint_tail_ratio > 5",
        ]
    );
    let given = text(&[
        "agreement < 99%",
        "agreement <= 98%",
        "p50_ratio > 2",
        "compared off",
    ]);
    let mut expected = defaults;
    expected.retain(|rule| rule != "agreement < 99.9%" && rule != "compared < 5000");
    expected.extend(
        [
            "agreement < 99%",
            "agreement <= 98%",
            "p50_ratio > 2",
            "compared off",
        ]
        .map(str::to_owned),
    );
    assert_eq!(given, expected);
}

proptest! {
    #[test]
    fn a_rule_is_read_as_it_is_written(text in "(agreement|new_5xx|compared|p99_ratio|x)? ?(<|>|<=|>=|off)? ?[0-9.]{0,6}%?") {
        if let Ok(rule) = text.parse::<FailRule>() {
            let written = rule.to_string();
            let again: FailRule = written.parse().map_err(|error| TestCaseError::fail(format!("{written}: {error}")))?;
            prop_assert_eq!(again.to_string(), written);
        }
    }

    #[test]
    fn any_text_is_a_rule_or_an_error(text in ".{0,40}") {
        let _ = text.parse::<FailRule>();
    }
}
