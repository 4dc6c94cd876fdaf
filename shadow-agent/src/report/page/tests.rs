use super::*;
use crate::compare::example;

const ATTACK: &str =
    "</script><script>alert(1)</script><img src=x onerror=alert(1)>\u{202e}\u{0}@@script@@\u{2028}";

fn hostile() -> Document {
    let mut document = example::document();
    ATTACK.clone_into(&mut document.version);
    let comparison = &mut document.comparisons[0];
    ATTACK.clone_into(&mut comparison.shadow);
    comparison.verdict.why = vec![ATTACK.to_owned()];
    comparison.verdict.rules[0].text = ATTACK.to_owned();
    ATTACK.clone_into(&mut comparison.differences[0].path);
    comparison.examples[0].shadow.body.text = Some(ATTACK.to_owned());
    document
}

/// The page's data, as its script reads it.
fn data(page: &str) -> serde_json::Value {
    let begin = "<script type=\"application/json\" id=\"data\">";
    let (_, rest) = page.split_once(begin).expect("data");
    let (data, _) = rest.split_once("</script>").expect("its end");
    serde_json::from_str(data).expect("JSON")
}

#[test]
fn the_page_holds_the_document() {
    let document = example::document();
    let data = data(&render(&document));
    assert_eq!(data["mode"], "one");
    assert_eq!(
        serde_json::from_value::<Document>(data["data"].clone()).unwrap(),
        document
    );
    assert_eq!(
        data["meanings"]["gap"]
            .as_str()
            .map(|text| text.split(' ').next()),
        Some(Some("packets"))
    );
}

#[test]
fn traffic_is_never_markup() {
    let document = hostile();
    for page in [render(&document), render_two(&document, &document)] {
        assert_eq!(page.matches("</script>").count(), 2);
        assert_eq!(page.matches("<script").count(), 2);
        assert!(!page.contains("<img"));
        assert!(!page.contains(['\0', '\u{202e}', '\u{2028}']));
        assert_eq!(page.matches(SCRIPT).count(), 1, "nothing is put in twice");
    }
    let data = data(&render(&document));
    assert_eq!(
        serde_json::from_value::<Document>(data["data"].clone()).unwrap(),
        document
    );
}

#[test]
fn what_there_is_to_say_in_short_reads_without_script() {
    let page = render(&example::document());
    for text in [
        "<title>NO-GO · shadow-agent report</title>",
        "<h2>http://staging:80</h2><p class=\"word no-go\">NO-GO</p>",
        "<li>30 of 9,900 answers are new 5xx: 0.30% (0.21% to 0.43%), and 0.1% may be</li>",
        "<dt>Agreement</dt><dd>98.99% (98.80% to 99.20%)</dd>",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn only_the_pages_own_script_and_style_may_run() {
    let (file, live) = (content_security_policy(false), content_security_policy(true));
    assert!(
        file.starts_with("default-src 'none'; script-src 'sha256-"),
        "{file}"
    );
    assert!(
        !file.contains("unsafe") && !file.contains("connect-src"),
        "{file}"
    );
    assert!(live.contains("; connect-src 'self';"), "{live}");
    assert!(live.ends_with("; frame-ancestors 'none'"), "{live}");
    assert!(render(&example::document()).contains(&policy(false)));
    assert!(super::live().contains(&policy(true)));
}

#[test]
fn the_script_can_stand_in_html_and_makes_no_markup() {
    for word in [
        "</",
        "<!--",
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "setAttribute(\"style",
    ] {
        assert!(!SCRIPT.contains(word), "{word}");
    }
    assert!(!STYLE.contains("</") && !STYLE.contains("url(") && !STYLE.contains("@import"));
}
