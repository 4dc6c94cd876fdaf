//! The outcome of a comparison as `JUnit` XML: a suite for each comparison, a case for each rule.
//!
//! A rule that is not met is a failure. One that nobody can decide yet is an error, not skipped: a pipeline passes over what
//! is skipped, and this release has not passed. The format has no standard; this is what Jenkins, GitLab and others read. It
//! is XML 1.0 whatever traffic held: what XML cannot hold is made visible first.

use std::fmt::Write;

use super::figures::moment;
use super::page::escaped;
use super::text::sum;
use crate::compare::document::{Comparison, Document, RuleOutcome, Verdict};

/// The document as `JUnit` XML.
pub fn junit(document: &Document) -> String {
    let suites: Vec<_> = document.comparisons.iter().map(Suite::new).collect();
    let of_all = Case::of_all(document);
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let count = |of: fn(&Case) -> bool| {
        suites
            .iter()
            .flat_map(|suite| &suite.cases)
            .chain(&of_all)
            .filter(|case| of(case))
            .count()
    };
    let _ = writeln!(
        xml,
        "<testsuites name=\"shadow-agent\" tests=\"{}\" failures=\"{}\" errors=\"{}\">",
        count(|_| true),
        count(|case| case.outcome == RuleOutcome::Failed),
        count(|case| case.outcome == RuleOutcome::Undecided),
    );
    for suite in &suites {
        suite.write(&mut xml);
    }
    if let Some(case) = &of_all {
        let undecided = usize::from(case.outcome == RuleOutcome::Undecided);
        let _ = writeln!(
            xml,
            "  <testsuite name=\"all\" tests=\"1\" failures=\"{}\" errors=\"{undecided}\" skipped=\"0\">",
            1 - undecided
        );
        case.write(&mut xml, "all");
        xml.push_str("  </testsuite>\n");
    }
    xml.push_str("</testsuites>\n");
    xml
}

struct Case {
    name: String,
    outcome: RuleOutcome,
    measured: String,
}

struct Suite<'a> {
    comparison: &'a Comparison,
    cases: Vec<Case>,
}

impl<'a> Suite<'a> {
    fn new(comparison: &'a Comparison) -> Self {
        let verdict = &comparison.verdict;
        let mut cases: Vec<_> = verdict
            .rules
            .iter()
            .map(|rule| Case {
                name: rule.rule.clone(),
                outcome: rule.outcome,
                measured: rule.text.clone(),
            })
            .collect();
        // A word that no rule accounts for (a verdict that is void, say) must be seen as well.
        let outcome = outcome(verdict.word);
        if cases.is_empty()
            || outcome != RuleOutcome::Passed && !cases.iter().any(|case| case.outcome == outcome)
        {
            cases.push(Case {
                name: "verdict".to_owned(),
                outcome,
                measured: verdict.why.first().cloned().unwrap_or_default(),
            });
        }
        Self { comparison, cases }
    }

    fn write(&self, xml: &mut String) {
        let count = |outcome| self.cases.iter().filter(|case| case.outcome == outcome).count();
        let comparison = self.comparison;
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"0\" time=\"{}\">",
            escaped(&comparison.title()),
            self.cases.len(),
            count(RuleOutcome::Failed),
            count(RuleOutcome::Undecided),
            comparison.to_ms.saturating_sub(comparison.from_ms) / 1000,
        );
        self.properties(xml);
        for case in &self.cases {
            case.write(xml, &comparison.title());
        }
        xml.push_str("    <system-out>");
        let _ = writeln!(xml, "{}", comparison.verdict.word.text());
        for why in &comparison.verdict.why {
            let _ = writeln!(xml, "- {}", escaped(why));
        }
        xml.push_str("</system-out>\n  </testsuite>\n");
    }

    fn properties(&self, xml: &mut String) {
        let comparison = self.comparison;
        let coverage = &comparison.coverage;
        let properties = [
            ("verdict", comparison.verdict.word.text().to_owned()),
            ("from", moment(comparison.from_ms)),
            ("to", moment(comparison.to_ms)),
            ("eligible", coverage.eligible.to_string()),
            ("compared", coverage.compared.to_string()),
            ("failed", sum(coverage.failed.values()).to_string()),
            ("not_compared", sum(coverage.not_compared.values()).to_string()),
            ("coverage", format!("{:.6}", coverage.share)),
            ("agreement", format!("{:.6}", comparison.agreement.share)),
            ("agreement_raw", format!("{:.6}", comparison.agreement_raw.share)),
            ("new_5xx", format!("{:.6}", comparison.new_5xx.share)),
            ("p99_ratio", format!("{:.6}", comparison.p99_ratio.value)),
        ];
        xml.push_str("    <properties>\n");
        for (name, value) in properties {
            let _ = writeln!(xml, "      <property name=\"{name}\" value=\"{value}\"/>");
        }
        xml.push_str("    </properties>\n");
    }
}

fn outcome(word: Verdict) -> RuleOutcome {
    match word {
        Verdict::Go => RuleOutcome::Passed,
        Verdict::NotEnoughData => RuleOutcome::Undecided,
        Verdict::NoGo => RuleOutcome::Failed,
    }
}

impl Case {
    /// The word on all of it, where no comparison that is listed accounts for it.
    fn of_all(document: &Document) -> Option<Self> {
        let listed = document.comparisons.iter().map(|one| one.verdict.word).max();
        (document.verdict > listed.unwrap_or(Verdict::Go)).then(|| Self {
            name: "verdict".to_owned(),
            outcome: outcome(document.verdict),
            measured: document.notes.first().cloned().unwrap_or_default(),
        })
    }

    fn write(&self, xml: &mut String, shadow: &str) {
        let (name, measured) = (escaped(&self.name), escaped(&self.measured));
        let _ = write!(
            xml,
            "    <testcase classname=\"{}\" name=\"{name}\"",
            escaped(shadow)
        );
        let problem = match self.outcome {
            RuleOutcome::Passed => None,
            RuleOutcome::Failed => Some(("failure", "not met", Verdict::NoGo)),
            RuleOutcome::Undecided => Some(("error", "undecided", Verdict::NotEnoughData)),
        };
        match problem {
            None => xml.push_str("/>\n"),
            Some((element, says, word)) => {
                let _ = writeln!(
                    xml,
                    ">\n      <{element} type=\"{}\" message=\"{says}: {measured}\"/>\n    </testcase>",
                    word.text()
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::figures::visible;
    use super::*;
    use crate::compare::example;

    #[test]
    fn a_word_that_no_listed_comparison_accounts_for_is_no_pass() {
        let mut document = example::document();
        document.comparisons.clear();
        document.notes = vec!["It has gone.".to_owned()];
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="shadow-agent" tests="1" failures="1" errors="0">
  <testsuite name="all" tests="1" failures="1" errors="0" skipped="0">
    <testcase classname="all" name="verdict">
      <failure type="NO-GO" message="not met: It has gone."/>
    </testcase>
  </testsuite>
</testsuites>
"#;
        assert_eq!(junit(&document), expected);
        document.verdict = Verdict::NotEnoughData;
        assert!(junit(&document).contains("<error type=\"NOT ENOUGH DATA\""));
    }

    #[test]
    fn a_suite_for_each_comparison_and_a_case_for_each_rule() {
        let expected = r#"<?xml version="1.0" encoding="UTF-8"?>
<testsuites name="shadow-agent" tests="3" failures="1" errors="1">
  <testsuite name="http://staging:80" tests="3" failures="1" errors="1" skipped="0" time="60">
    <properties>
      <property name="verdict" value="NO-GO"/>
      <property name="from" value="2026-03-04 05:06:07 UTC"/>
      <property name="to" value="2026-03-04 05:07:07 UTC"/>
      <property name="eligible" value="10000"/>
      <property name="compared" value="9900"/>
      <property name="failed" value="20"/>
      <property name="not_compared" value="75"/>
      <property name="coverage" value="0.992000"/>
      <property name="agreement" value="0.989899"/>
      <property name="agreement_raw" value="0.949495"/>
      <property name="new_5xx" value="0.003030"/>
      <property name="p99_ratio" value="1.330000"/>
    </properties>
    <testcase classname="http://staging:80" name="new_5xx &gt; 0.1%">
      <failure type="NO-GO" message="not met: 0.30% (0.21% to 0.43%)"/>
    </testcase>
    <testcase classname="http://staging:80" name="p99_ratio &gt; 1.3">
      <error type="NOT ENOUGH DATA" message="undecided: 1.33 (1.20 to 1.50)"/>
    </testcase>
    <testcase classname="http://staging:80" name="compared &lt; 5000"/>
    <system-out>NO-GO
- 30 of 9,900 answers are new 5xx: 0.30% (0.21% to 0.43%), and 0.1% may be
</system-out>
  </testsuite>
</testsuites>
"#;
        assert_eq!(junit(&example::document()), expected);
    }

    #[test]
    fn a_word_that_no_rule_accounts_for_is_a_case_of_its_own() {
        let mut document = example::document();
        let verdict = &mut document.comparisons[0].verdict;
        verdict.rules.retain(|rule| rule.outcome == RuleOutcome::Passed);
        verdict.word = Verdict::NotEnoughData;
        verdict.why = vec!["capture lost too much".to_owned()];
        document.verdict = Verdict::NotEnoughData;
        let xml = junit(&document);
        assert!(
            xml.contains(r#"tests="2" failures="0" errors="1">"#)
                && xml.contains(r#"message="undecided: capture lost too much"/>"#),
            "{xml}"
        );
    }

    proptest! {
        #[test]
        fn it_is_xml_whatever_traffic_held(text in any::<String>()) {
            let hostile = format!("]]></system-out><!--{text}\u{0}\u{fffe}&\"'<");
            let mut document = example::document();
            let comparison = &mut document.comparisons[0];
            comparison.shadow.clone_from(&hostile);
            comparison.verdict.why = vec![hostile.clone()];
            comparison.verdict.rules[0].text.clone_from(&hostile);
            let xml = junit(&document);
            let parsed = roxmltree::Document::parse(&xml).unwrap();
            let suite = parsed.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
            prop_assert_eq!(suite.attribute("name").unwrap(), visible(&hostile));
            prop_assert_eq!(parsed.descendants().filter(|node| node.has_tag_name("testcase")).count(), 3);
        }
    }
}
