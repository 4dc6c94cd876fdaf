use super::super::sample;
use super::*;

#[test]
fn a_pull_request_reads_the_word_the_rules_and_what_differs() {
    let expected = "\
# ❌ NO-GO

## `http://shadow:8080`: ❌ NO-GO

- New 5xx: 0.30% of pairs, and at most 0.10% is allowed.

| Fails on | Outcome | Measured |
| --- | --- | --- |
| `new_5xx > 0.1%` | ❌ failed | 0.30% (0.21% to 0.43%) |
| `p99_ratio > 1.1` | ❔ undecided | 1.10 (1.05 to 1.16) |
| `compared < 5000` | ✅ passed | 9,970 |

| Figure | Value |
| --- | ---: |
| Agreement | 99.10% (98.89% to 99.27%) |
| Agreement before noise | 42.00% (41.00% to 43.00%) |
| New 5xx | 0.30% (0.21% to 0.43%) |
| Other status | 0.30% (0.21% to 0.43%) |
| Coverage | 99.50% of 10,050 requests |
| p50, production → shadow | 3.21 ms → 3.30 ms |
| p95, production → shadow | 20.0 ms → 22.0 ms |
| p99, production → shadow | 45.6 ms → 50.2 ms |
| p99 ratio | 1.10 (1.05 to 1.16) |

### Differences

| Pairs | Share | Endpoint | Where | What | Production | Shadow |
| ---: | ---: | --- | --- | --- | --- | --- |
| 60 | 0.60% | `GET /items/{id}` | `$.price` | value | `9.99` | `10.99` |

Taken for noise: 1 more.

### Endpoints that differ most

| Endpoint | Compared | Agreement | New 5xx | Failed | p99, production → shadow |
| --- | ---: | ---: | ---: | ---: | ---: |
| `GET /items/{id}` | 9,970 | 99.10% | 0.30% | 30 | 45.6 ms → 50.2 ms, slower |

### Coverage

10,350 seen = 100 filtered + 200 sampled out + 0 limited + 10,050 eligible; 10,050 eligible = 9,970 compared + 30 failed in the shadow + 50 not compared + 0 waiting.

- 30 `timeout`
- 50 `production_gap`

Made 2025-11-24 16:06:07 UTC by shadow-agent 0.1.0.
";
    assert_eq!(markdown(&sample::document()), expected);
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
    let mut document = sample::document();
    let comparison = &mut document.comparisons[0];
    comparison.differences[0].path = "a|b\\|c`|\r\n|".to_owned();
    comparison.differences[0].endpoint = "|".repeat(500);
    comparison.verdict.rules[0].text = "1 | 2 \\".to_owned();
    let text = markdown(&document);
    let rows: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("| 60 ") || line.starts_with("| `new"))
        .collect();
    let bars = |row: &str| row.replace("\\|", "").matches('|').count();
    assert_eq!([bars(rows[0]), bars(rows[1])], [4, 8], "{text}");
}

#[test]
fn two_documents_stand_side_by_side() {
    let (a, mut b) = (sample::document(), sample::document());
    b.verdict = Word::Go;
    b.comparisons[0].verdict.word = Word::Go;
    b.comparisons[0].differences.remove(0);
    b.comparisons[0].new_5xx.share = 0.0;
    b.comparisons[0].new_5xx.low = 0.0;
    b.comparisons[0].new_5xx.high = 0.0004;
    let text = markdown_of_two(&TwoDocuments::new(&a, &b));
    assert!(text.starts_with("# ❌ NO-GO → ✅ GO\n"), "{text}");
    for line in [
        "| New 5xx | 0.30% (0.21% to 0.43%) | 0% (0% to 0.04%) | better |",
        "### Differences that are gone",
        "| 60 (0.60%) | - | `GET /items/{id}` | `$.price` | value | `9.99` | `10.99` |",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(!text.contains("timestamp"), "{text}");
}
