//! Which places of pages and documents differ, and how they are called.

use std::fmt::Write;
use std::time::Instant;

use proptest::prelude::*;

use crate::tests::{answer, differences, question};
use crate::{Answer, CompareContext, IgnoreRule, PathPattern, Rules, compare};

fn page(body: &str) -> Answer {
    answer("200 OK", "Content-Type: text/html; charset=utf-8", body)
}

fn of_pages(production: &str, shadow: &str) -> Vec<String> {
    differences(&page(production), &page(shadow))
}

fn of_xml(production: &str, shadow: &str) -> Vec<String> {
    let answer = |body: &str| answer("200 OK", "Content-Type: application/atom+xml", body);
    differences(&answer(production), &answer(shadow))
}

const SHOP: &str = r#"<!doctype html>
<html lang="en"><head><title>Tea</title><meta name="csrf-token" content="abc"></head>
<body><div class="page"><main><div>
<form action="/buy" class="buy"><input type="hidden" name="csrfmiddlewaretoken" value="abc"><button class="buy">Buy</button></form>
<h1 id="name">Tea</h1><p class="price">10.00</p>
<a class="next active" href="/products?page=2">Next</a></div></main>
<footer>Rendered in <b>12 ms</b></footer></div></body></html>"#;

#[test]
fn a_place_is_as_small_as_what_changes() {
    let shadow = SHOP
        .replace("abc", "xyz")
        .replace("10.00", "12.00")
        .replace("12 ms", "15 ms")
        .replace("page=2", "page=3");
    assert_eq!(
        of_pages(SHOP, &shadow),
        [
            "html meta[name=csrf-token]@content value: abc -> xyz",
            "html form.buy > input[name=csrfmiddlewaretoken]@value value: abc -> xyz",
            "html main p.price value: 10.00 -> 12.00",
            "html main a.next@href value: /products?page=2 -> /products?page=3",
            "html footer > b value: 12 ms -> 15 ms",
        ]
    );
}

#[test]
fn what_means_nothing_to_a_browser_makes_no_difference() {
    for (a, b) in [
        ("<p>a</p><p>b</p>", "<p>\n a\n</p>\n<!-- c -->\n<P>b"),
        (
            "<a href='/x' class='b a'>y</a>",
            "<A class=\"a  b\" href=/x>y</A>",
        ),
        ("<p>a &amp; b &lt;</p>", "<p>a &#38; b &LT;</p>"),
        ("<input disabled>", "<input disabled=\"disabled\" />"),
        (
            "<table><tr><td>a</table>",
            "<table><tbody><tr><td>a</td></tr></tbody></table>",
        ),
        (
            "<!doctype html><p>a",
            "<html><head></head><body><p>a</p></body></html>",
        ),
        ("<p>a<!-- x -->b</p>", "<p>ab</p>"),
        ("<ul><li>a<li>b</ul>", "<ul>\n<li>a</li>\n<li>b</li></ul>"),
    ] {
        assert_eq!(of_pages(a, b), [""; 0], "{a}");
    }
    assert_eq!(
        of_pages("<pre>a  b</pre>", "<pre>a b</pre>"),
        ["html pre value: a  b -> a b"]
    );
}

#[test]
fn what_is_new_changes_nothing_beside_it() {
    let list = |first: &str, items: &[&str]| {
        let items: Vec<String> = items
            .iter()
            .map(|item| format!("<li class=product>{item}</li>"))
            .collect();
        format!("<main>{first}<ul>{}</ul></main>", items.concat())
    };
    let plain = list("", &["a", "b", "c"]);
    assert_eq!(
        of_pages(
            &plain,
            &list("<div class=banner><b>Sale</b></div>", &["a", "b", "c"])
        ),
        ["html main > div.banner extra: nothing -> <div class=\"banner\"><b>Sale</b></div>"]
    );
    assert_eq!(
        of_pages(&plain, &list("", &["a", "x", "b", "c"])),
        ["html main > ul > li.product extra: nothing -> <li class=\"product\">x</li>"]
    );
    assert_eq!(
        of_pages(&plain, &list("", &["a", "c"])),
        ["html main > ul > li.product missing: <li class=\"product\">b</li> -> nothing"]
    );
    assert_eq!(
        of_pages(&plain, &list("", &["a", "c", "b"])),
        ["html main > ul > li.product order: <li class=\"product\">b</li> -> <li class=\"product\">c</li>"]
    );
    assert_eq!(
        of_pages(&plain, &list("", &["x", "y", "z"])),
        ["html main > ul > li.product value: a -> x"]
    );
}

#[test]
fn an_element_is_another_one_where_its_kind_or_its_name_is() {
    assert_eq!(
        of_pages("<p>a</p>", "<div>a</div>"),
        [
            "html div extra: nothing -> <div>a</div>",
            "html p missing: <p>a</p> -> nothing"
        ]
    );
    assert_eq!(
        of_pages("<div id=cart>a</div>", "<div id=search>b</div>"),
        [
            "html #cart missing: <div id=\"cart\">a</div> -> nothing",
            "html #search extra: nothing -> <div id=\"search\">b</div>"
        ]
    );
    assert_eq!(
        of_pages("<p class=price>10</p>", "<p class='price sale'>9</p>"),
        [
            "html p.price@class value: price -> price sale",
            "html p.price value: 10 -> 9"
        ]
    );
    assert_eq!(
        of_pages("<p>a <b>b</b></p>", "<p><b>b</b> c</p>"),
        ["html p value: a -> "]
    );
    assert_eq!(
        of_pages("<a href=/ title=x>a</a>", "<a href=/ rel=y>a</a>"),
        [
            "html a@rel extra: nothing -> y",
            "html a@title missing: x -> nothing"
        ]
    );
}

#[test]
fn ids_and_classes_that_a_program_made_are_in_no_place() {
    for (element, place) in [
        ("p id=product-4711", "html p"),
        ("p id=ember123", "html p"),
        ("p id=total-price", "html #total-price"),
        ("p class='css-x7Yz2 mt-4 is-open price'", "html p.price"),
        ("p class='c b a'", "html p.a.b"),
        ("input name='user[email]'", "html input[name='user[email]']@x"),
        ("input name=q class=wide", "html input[name=q]@x"),
        (
            "input type=hidden name=4f3c9a1b2c3d4e5f",
            "html input[type=hidden]@x",
        ),
        ("x$y", "html *"),
        ("x-4711", "html *"),
    ] {
        let one = |value: &str| format!("<{element} x={value}>{value}");
        let all = of_pages(&one("1"), &one("2"));
        let place = place.strip_suffix("@x").unwrap_or(place);
        assert_eq!(all[0], format!("{place}@x value: 1 -> 2"));
    }
}

#[test]
fn json_in_a_page_is_compared_as_json() {
    let state = |total: &str| {
        format!(
            "<script id=state type=application/json>{{\"cart\":[{{\"total\":{total}, \"a\":1}}]}}</script>"
        )
    };
    assert_eq!(
        of_pages(&state("10"), &state("12").replace(',', " ,\n")),
        ["html #state $.cart[*].total value: 10 -> 12"]
    );
    assert_eq!(
        of_pages(
            "<div data-page='{\"a\":[1]}'></div>",
            "<div data-page='{\"a\": [2]}'></div>"
        ),
        ["html div@data-page $.a[*] value: 1 -> 2"]
    );
    assert_eq!(
        of_pages(
            "<script>\nvar csrf = 'a1';\nvar price = 10.00;\n</script>",
            "<script>\nvar csrf = 'b2';\nvar price = 12.00;\n</script>"
        ),
        [
            "html script['var csrf'] value: a1 -> b2",
            "html script['var price'] value: 10.00 -> 12.00"
        ]
    );
}

#[test]
fn rules_name_places_as_selectors_do() {
    let shadow = SHOP.replace("10.00", "12.00").replace("abc", "xyz");
    let left = |pattern: &str| {
        let rules = Rules::default().with_ignore(IgnoreRule::parse(pattern).unwrap());
        compare(&question("GET /"), &page(SHOP), &page(&shadow), &rules)
            .differences
            .len()
    };
    for (pattern, expected) in [
        ("html main p.price", 2),
        ("html main > p.price", 2),
        ("html p.price", 2),
        ("html .price", 2),
        ("html main", 2),
        ("GET / html p.price", 2),
        ("html input[name=csrfmiddlewaretoken]@value", 2),
        ("html form.buy > input@*", 2),
        ("html form > input[name=csrfmiddlewaretoken]", 2),
        ("html", 0),
        ("html main p.old", 3),
        ("html main@class", 3),
        ("html div.page p", 3),
        ("xml p.price", 3),
    ] {
        assert_eq!(left(pattern), expected, "{pattern}");
    }
}

#[test]
fn urls_of_each_side_are_the_same() {
    let page = |host: &str| page(&format!("<a href='http://{host}/x'>See http://{host}/</a>"));
    let compared = compare(
        &CompareContext {
            head: b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n",
            host: Some("next:8080"),
            ..question("GET /")
        },
        &page("shop.example"),
        &page("next:8080"),
        &Rules::default(),
    );
    assert_eq!((compared.differences.len(), compared.by_rule.len()), (0, 2));
}

#[test]
fn pages_are_known_by_how_they_begin_and_read_in_their_own_charset() {
    let sniffed = |body: &[u8]| answer("200 OK", "", body);
    let latin = |price: &[u8]| {
        [
            b"<!DOCTYPE html><meta charset=iso-8859-1><p>Caf\xe9</p><i>",
            price,
            b"</i>",
        ]
        .concat()
    };
    assert_eq!(
        differences(&sniffed(&latin(b"1")), &sniffed(&latin(b"2"))),
        ["html i value: 1 -> 2"]
    );
}

#[test]
fn xml_is_compared_by_its_tree() {
    let feed = |updated: &str, title: &str| {
        format!(
            "<?xml version=\"1.0\"?>\n<!DOCTYPE feed>\n<feed xmlns:dc=\"urn:x\"><updated>{updated}</updated>\n\
             <entry id=\"1\"><title><![CDATA[{title}]]></title><dc:by>A &amp; B</dc:by></entry></feed>\n"
        )
    };
    assert_eq!(
        of_xml(&feed("2001-02-03", "a"), &feed("2024-05-06", "b")),
        [
            "xml feed > updated value: 2001-02-03 -> 2024-05-06",
            "xml feed > entry > title value: a -> b"
        ]
    );
    assert_eq!(
        of_xml(
            "<a b='1' c='&#50;'><d/></a>",
            "<a c=\"2\"\n b=\"1\">\n<d></d> </a>"
        ),
        [""; 0]
    );
    assert_eq!(
        of_xml("<a><b>1</b></a>", "<a><b x='y'>1</b></a>"),
        ["xml a > b@x extra: nothing -> y"]
    );
    // No document is text.
    assert_eq!(
        of_xml("<a><b>1</a>", "<a><b>2</a>"),
        ["text['a b'] value: 1 -> 2"]
    );
}

#[test]
fn what_is_too_deep_or_too_large_is_text() {
    let deep = |end: &str| format!("{}{end}", "<div>".repeat(100_000));
    let attributes = |end: &str| {
        let mut page = "<p".to_owned();
        (0..100_000).for_each(|at| write!(page, " a{at}").unwrap());
        page + end
    };
    let formatting = |end: &str| {
        let mut page = String::new();
        (0..2_000).for_each(|at| write!(page, "<p><b a={at}><i><u>x</p>").unwrap());
        page + &"<p>x".repeat(50_000) + end
    };
    let many = |end: &str| "<p>x".repeat(100_000) + end;
    for make in [&deep as &dyn Fn(&str) -> String, &attributes, &formatting, &many] {
        let all = of_pages(&make(">one"), &make(">two"));
        assert!(all.len() == 1 && all[0].starts_with("text"), "{all:?}");
    }
    let xml = |end: &str| ["<a>".repeat(100_000), end.to_owned(), "</a>".repeat(100_000)].concat();
    let all = of_xml(&xml("one"), &xml("two"));
    assert!(all.len() == 1 && all[0].starts_with("text"), "{all:?}");
}

#[test]
fn a_list_of_many_products_differs_in_one_place() {
    let page_of = |price: u32| {
        let mut body = String::from(
            "<!doctype html><html><head><title>Shop</title></head><body><main><ul class=products>",
        );
        for item in 0..150 {
            write!(
                body,
                "<li class=\"product card\" data-sku=\"sku-{item}\"><a class=\"product-link\" href=\"/products/{item}?ref=list\">\
                 <img src=\"/static/images/{item}.jpg\" alt=\"Product {item}\" width=200 height=200></a>\n\
                 <h2 class=\"title\">Product number {item}</h2><p class=\"price\"><span>{price}.{item:02}</span> EUR</p>\
                 <button type=submit class=\"button primary\">Add to cart</button></li>\n"
            )
            .unwrap();
        }
        page(&(body + "</ul></main></body></html>"))
    };
    let (a, b) = (page_of(10), page_of(12));
    assert!((45_000..60_000).contains(&a.body.len()), "{}", a.body.len());
    let (question, rules) = (question("GET /"), Rules::default());
    let best = (0..20).map(|_| {
        let from = Instant::now();
        assert_eq!(compare(&question, &a, &b, &rules).differences.len(), 1);
        from.elapsed()
    });
    println!("two pages of {} bytes: {:?}", a.body.len(), best.min().unwrap());
}

/// A page, and the same one written in another way.
fn tree() -> impl Strategy<Value = (String, String)> {
    let text = "[a-c&<é ]{0,6}".prop_map(|text| {
        let escaped = text.replace('&', "&amp;").replace('<', "&lt;");
        let words: Vec<&str> = escaped.split(' ').collect();
        let other = words.join("\n  ").replace("&amp;", "&#x26;");
        (escaped, other)
    });
    let attributes = prop::collection::btree_map("[a-c]|id|class|data-x", "[a-c/=]{0,4}", 0..4);
    text.prop_recursive(4, 30, 5, move |inner| {
        let name = prop::sample::select(vec!["div", "section", "article", "main", "span", "b"]);
        (name, attributes.clone(), prop::collection::vec(inner, 0..5)).prop_map(
            |(name, attributes, children)| {
                let one = attributes
                    .iter()
                    .map(|(name, value)| format!(" {name}=\"{value}\""));
                let other = attributes
                    .iter()
                    .rev()
                    .map(|(name, value)| format!("\n {}='{value}'", name.to_uppercase()));
                let (one, other): (String, String) = (one.collect(), other.collect());
                let left: Vec<&str> = children.iter().map(|(left, _)| left.as_str()).collect();
                let right: Vec<&str> = children.iter().map(|(_, right)| right.as_str()).collect();
                (
                    format!("<{name}{one}>{}</{name}>", left.join("\n")),
                    format!(
                        "<{}{other} >\n{}\n</{name}\n>",
                        name.to_uppercase(),
                        right.join(" <!-- x -->\n")
                    ),
                )
            },
        )
    })
}

proptest! {
    #[test]
    fn a_page_written_in_another_way_is_the_same((a, b) in tree()) {
        prop_assert_eq!(of_pages(&a, &b), [""; 0], "{} {}", a, b);
    }

    #[test]
    fn places_are_the_same_however_pages_are_written((a, a_again) in tree(), (b, b_again) in tree()) {
        let places = |lines: Vec<String>| {
            let mut places: Vec<String> = lines.iter().map(|line| line.split(':').next().unwrap().to_owned()).collect();
            places.sort_unstable();
            places
        };
        prop_assert_eq!(places(of_pages(&a, &b)), places(of_pages(&a_again, &b_again)));
    }

    #[test]
    fn any_text_is_equal_to_itself_and_differs_both_ways(
        a in "(<(/?(p|b|table|td|a|form|select|template|svg|title|script)( x=1| class=y)?>)|\\PC|<!--|&){0,20}",
        b in "(<(/?(p|b|table|td|a|form|select|template|svg|title|script)( x=1| class=y)?>)|\\PC|<!--|&){0,20}",
    ) {
        prop_assert_eq!(of_pages(&a, &a), [""; 0]);
        let places = |lines: Vec<String>| {
            let mut places: Vec<String> = lines.iter().map(|line| line.split(' ').take_while(|word| !word.ends_with(':')).collect()).collect();
            places.sort_unstable();
            places
        };
        prop_assert_eq!(places(of_pages(&a, &b)), places(of_pages(&b, &a)));
        for difference in compare(&question("GET /"), &page(&a), &page(&b), &Rules::default()).differences {
            prop_assert!(PathPattern::parse(&difference.path).is_ok_and(|own| own.covers("GET /", &difference.path)), "{}", difference.path);
        }
    }
}
