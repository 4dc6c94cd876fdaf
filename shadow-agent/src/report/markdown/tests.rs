use super::*;
use crate::compare::document::KnownCount;
use crate::compare::example;
use crate::report::{junit, summary};

#[test]
fn a_pull_request_reads_the_word_the_rules_and_what_differs() {
    let expected = "\
# ❌ NO-GO

## `http://staging:80`: ❌ NO-GO

- 30 of 9,900 answers are new 5xx: 0.30% (0.21% to 0.43%), and 0.1% may be

| Fails on | Outcome | Measured |
| --- | --- | --- |
| `new_5xx > 0.1%` | ❌ failed | 0.30% (0.21% to 0.43%) |
| `p99_ratio > 1.3` | ❔ undecided | 1.33 (1.20 to 1.50) |
| `compared < 5000` | ✅ passed | 9,920 |

| Figure | Value |
| --- | ---: |
| Agreement | 98.99% (98.80% to 99.20%) |
| Agreement before noise | 94.95% (94.50% to 95.40%) |
| Excused: the control differs as the shadow does | 0 |
| New 5xx | 0.30% (0.21% to 0.43%) |
| Other status | 0.30% (0.21% to 0.43%) |
| Coverage | 99.20% of 10,000 requests |
| p50, production → shadow | 2.00 ms → 2.50 ms |
| p95, production → shadow | 4.00 ms → 5.00 ms |
| p99, production → shadow | 9.00 ms → 12.0 ms |
| p99 ratio | 1.33 (1.20 to 1.50) |
| Copies sent later than production's requests | 0.31 ms (p50), 1.20 ms (p99), 40.0 ms (longest) |

### Differences

- **30**: status 500 in place of 200 in 30 of 3,000 responses of POST /cart
- **70**: \\$\\.items\\[\\*\\]\\.price is different in 70 of 6,900 responses of GET /items/\\{id\\}: 9.99 -&gt; 10.99

| Pairs | Share | Endpoint | Where | What | Production | Shadow |
| ---: | ---: | --- | --- | --- | --- | --- |
| 30 | 1.00% | `POST /cart` | `status` | status | `200` | `500` |
| 70 | 1.01% | `GET /items/{id}` | `$.items[*].price` | value | `9.99` | `10.99` |

Noise: 1 more.

### Endpoints that differ most

| Endpoint | Compared | Agreement | New 5xx | Failed | p99, production → shadow |
| --- | ---: | ---: | ---: | ---: | ---: |
| `POST /cart` | 3,000 | 99.00% | 0% | 10 | 9.00 ms → 12.0 ms, slower |
| `GET /items/{id}` | 6,900 | 98.99% | 0% | 10 | 9.00 ms → 12.0 ms |

### Coverage

10,100 seen = 0 filtered + 100 sampled out + 0 limited + 10,000 eligible; 10,000 eligible = 9,900 compared + 20 failed in the shadow + 75 not compared + 5 waiting.

- 20 `timeout`
- 75 `production_gap`

Created 2026-03-04 05:07:07 UTC by shadow-agent 0.1.0.
";
    assert_eq!(markdown(&example::document()), expected);
}

#[test]
fn traffic_is_no_html_no_link_no_mention_and_no_cell() {
    let attack = "`|</td><script>alert(1)</script>[a](http://evil) @team #1\n\n# Heading\u{202e}";
    assert_eq!(
        code(attack),
        "`⟨U+0060⟩⟨U+007C⟩</td><script>alert(1)</script>[a](http://evil) @team #1⟨U+000A⟩⟨U+000A⟩# Heading⟨U+202E⟩`"
    );
    assert_eq!(
        plain(attack),
        "\\`\\|&lt;/td&gt;&lt;script&gt;alert(1)&lt;/script&gt;\\[a\\](http\\://evil) \\@\u{200b}team \
         \\#\u{200b}1⟨U+000A⟩⟨U+000A⟩\\#\u{200b} Heading⟨U+202E⟩"
    );
    assert_eq!(code(" "), "(blank)");
    assert_eq!(
        plain("www.evil.example a@b.example"),
        "www\\.evil\\.example a\\@\u{200b}b\\.example"
    );
}

#[test]
fn every_row_of_a_table_has_its_cells_whatever_traffic_held() {
    let mut document = example::document();
    let comparison = &mut document.comparisons[0];
    comparison.differences[0].path = "a|b\\|c`|\r\n|".to_owned();
    comparison.differences[0].endpoint = "|".repeat(500);
    comparison.verdict.rules[0].text = "1 | 2 \\".to_owned();
    let text = markdown(&document);
    let rows: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("| 70 ") || line.starts_with("| `new"))
        .collect();
    let bars = |row: &str| row.replace("\\|", "").matches('|').count();
    assert_eq!([bars(rows[0]), bars(rows[1])], [4, 8], "{text}");
}

#[test]
fn releases_have_names_and_a_gone_intended_difference_is_told() {
    let mut document = example::document();
    let comparison = &mut document.comparisons[0];
    comparison.names.shadow = Some("shop v2.3".to_owned());
    comparison.names.production = Some("shop v2.2".to_owned());
    comparison.known = [("$.a is intended: tax", 7), ("$.b is intended: no", 0)]
        .map(|(what, count)| KnownCount {
            what: what.to_owned(),
            count,
        })
        .to_vec();
    let text = markdown(&document);
    for line in [
        "## `shop v2.3 after shop v2.2 (http://staging:80)`: ❌ NO-GO",
        "- \\$\\.a is intended: tax: 7 pairs\n- \\$\\.b is intended: no: no longer occurs\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let text = summary(&document);
    for line in [
        "  shop v2.3 after shop v2.2 (http://staging:80): NO-GO\n",
        "known: $.a is intended: tax (7 pairs)\n",
        "known: $.b is intended: no (no longer occurs)\n",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    let text = junit(&document);
    assert!(
        text.contains("shop v2.3 after shop v2.2 (http://staging:80)"),
        "{text}"
    );
}

#[test]
fn two_documents_stand_side_by_side() {
    let (a, mut b) = (example::document(), example::document());
    b.verdict = Verdict::Go;
    b.comparisons[0].verdict.word = Verdict::Go;
    b.comparisons[0].differences.remove(0);
    b.comparisons[0].names.shadow = Some("shop v2.3".to_owned());
    b.comparisons[0].names.production = Some("shop v2.2".to_owned());
    b.comparisons[0].new_5xx.share = 0.0;
    b.comparisons[0].new_5xx.low = 0.0;
    b.comparisons[0].new_5xx.high = 0.0004;
    let text = markdown_of_two(&TwoDocuments::new(&a, &b));
    assert!(text.starts_with("# ❌ NO-GO → ✅ GO\n"), "{text}");
    for line in [
        "→ `shop v2.3 after shop v2.2 (http://staging:80)` ✅ GO",
        "| New 5xx | 0.30% (0.21% to 0.43%) | 0% (0% to 0.04%) | better |",
        "### Differences no longer present",
        "| 70 (1.01%) | - | `GET /items/{id}` | `$.items[*].price` | value | `9.99` | `10.99` |",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("timestamp"), "{text}");
}
