//! From text to an expression: the part of pcap-filter(7) that speaks of TCP connections.
//!
//! ```text
//! expression = term { ("and" | "&&" | "or" | "||") term }
//! term       = ("not" | "!") term | "(" expression ")" | primitive
//! primitive  = "tcp" | "ip" | "ip6"
//!            | ["ip" | "ip6"] [ends] ["host"] ADDRESS
//!            | ["ip" | "ip6"] [ends] "net" NET ["mask" ADDRESS]
//!            | ["tcp"] [ends] "port" NUMBER | ["tcp"] [ends] "portrange" NUMBER "-" NUMBER
//! ends       = "src" | "dst" | "src or dst" | "src and dst"
//! ```
//!
//! As in pcap, `and` and `or` bind alike, from the left; `not` binds before both; and a value alone stands for the
//! last words before a value: `dst port 80 or 8080`, `host (10.0.0.1 or 10.0.0.2)`. Names are not looked up.

use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

use super::{BpfFilter, Ends, Expression, Net, Test};

/// Longest expression, in bytes: more than any that a person writes.
pub const MAX_LENGTH: usize = 4096;

/// How deep parentheses and negations may stand in each other.
const MAX_DEPTH: usize = 64;

/// An error in an expression, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    /// Where, in characters from 0.
    pub column: usize,
    /// The error there.
    pub problem: String,
    /// The way out.
    pub help: &'static str,
}

const SUBSET: &str = "write tests such as 'dst port 80', 'src net 10.0.0.0/8' or 'host 10.0.0.1' with and, or, not and \
                      parentheses between them";

impl FromStr for BpfFilter {
    type Err = FilterError;

    fn from_str(text: &str) -> Result<Self, FilterError> {
        if text.len() > MAX_LENGTH {
            return Err(FilterError {
                column: 0,
                problem: format!(
                    "the expression has {} bytes, the limit is {MAX_LENGTH}",
                    text.len()
                ),
                help: "name networks instead of many addresses",
            });
        }
        let tokens = tokens(text)?;
        let mut parser = Parser {
            tokens: &tokens,
            at: 0,
            end: text.chars().count(),
            last: Qualifiers::default(),
        };
        let expression = parser.expression(0)?;
        match parser.peek() {
            None => Ok(Self(expression)),
            Some(Token::Close) => Err(parser.error("this parenthesis has no opening one", "take it out")),
            Some(_) => Err(parser.error("'and' or 'or' is missing before this", SUBSET)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Not,
    And,
    Or,
    Word(&'a str),
}

/// The tokens, each with its column.
fn tokens(text: &str) -> Result<Vec<(usize, Token<'_>)>, FilterError> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut column = 0;
    while let Some(first) = rest.chars().next() {
        let (length, token) = match first {
            _ if first.is_whitespace() => (first.len_utf8(), None),
            '(' => (1, Some(Token::Open)),
            ')' => (1, Some(Token::Close)),
            '!' => (1, Some(Token::Not)),
            '&' if rest.starts_with("&&") => (2, Some(Token::And)),
            '|' if rest.starts_with("||") => (2, Some(Token::Or)),
            '&' | '|' => {
                return Err(FilterError {
                    column,
                    problem: format!("a single '{first}' is not supported"),
                    help: "write && or 'and', || or 'or'",
                });
            }
            _ => {
                let ends = |c: char| c.is_whitespace() || "()!&|".contains(c);
                let length = rest.find(ends).unwrap_or(rest.len());
                let token = match &rest[..length] {
                    "not" => Token::Not,
                    "and" => Token::And,
                    "or" => Token::Or,
                    word => Token::Word(word),
                };
                (length, Some(token))
            }
        };
        tokens.extend(token.map(|token| (column, token)));
        column += rest[..length].chars().count();
        rest = &rest[length..];
    }
    Ok(tokens)
}

/// The words before a value.
#[derive(Clone, Copy, Default)]
struct Qualifiers {
    protocol: Option<Protocol>,
    ends: Option<Ends>,
    kind: Option<Kind>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Protocol {
    Tcp,
    Ip,
    Ip6,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Host,
    Net,
    Port,
    PortRange,
}

struct Parser<'a> {
    tokens: &'a [(usize, Token<'a>)],
    at: usize,
    /// Column behind the last character.
    end: usize,
    /// The qualifiers that a value alone stands for.
    last: Qualifiers,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<Token<'a>> {
        self.tokens.get(self.at).map(|(_, token)| *token)
    }

    fn word(&self) -> Option<&'a str> {
        match self.peek() {
            Some(Token::Word(word)) => Some(word),
            _ => None,
        }
    }

    /// An error at the next token.
    fn error(&self, problem: impl Into<String>, help: &'static str) -> FilterError {
        FilterError {
            column: self.tokens.get(self.at).map_or(self.end, |(column, _)| *column),
            problem: problem.into(),
            help,
        }
    }

    fn expression(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let mut left = self.term(depth)?;
        loop {
            let join = match self.peek() {
                Some(Token::And) => Expression::And,
                Some(Token::Or) => Expression::Or,
                _ => return Ok(left),
            };
            self.at += 1;
            left = join(Box::new(left), Box::new(self.term(depth)?));
        }
    }

    fn term(&mut self, depth: usize) -> Result<Expression, FilterError> {
        if depth > MAX_DEPTH {
            return Err(self.error("parentheses and negations are nested too deeply", SUBSET));
        }
        match self.peek() {
            Some(Token::Not) => {
                self.at += 1;
                Ok(Expression::Not(Box::new(self.term(depth + 1)?)))
            }
            Some(Token::Open) => self.group(depth),
            Some(Token::Word(_)) => self.primitive(depth),
            Some(_) => Err(self.error("a test is missing before this", SUBSET)),
            None => Err(self.error("a test is missing at the end", SUBSET)),
        }
    }

    fn group(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let opened = self.at;
        self.at += 1;
        let inner = self.expression(depth + 1)?;
        match self.peek() {
            Some(Token::Close) => {
                self.at += 1;
                Ok(inner)
            }
            Some(_) => Err(self.error("'and' or 'or' is missing before this", SUBSET)),
            None => {
                self.at = opened;
                Err(self.error("this parenthesis is never closed", "write ) where it ends"))
            }
        }
    }

    fn primitive(&mut self, depth: usize) -> Result<Expression, FilterError> {
        let protocol = self.protocol();
        let ends = self.ends()?;
        let kind = self.kind();
        let qualifiers = Qualifiers { protocol, ends, kind };
        match (protocol, self.peek()) {
            // A value alone.
            (None, Some(Token::Word(_))) if ends.is_none() && kind.is_none() => {}
            (_, Some(Token::Word(_))) => self.last = qualifiers,
            (_, Some(Token::Open)) if ends.is_some() || kind.is_some() => {
                self.last = qualifiers;
                return self.group(depth);
            }
            (Some(protocol), _) if ends.is_none() && kind.is_none() => {
                return Ok(Expression::Test(match protocol {
                    Protocol::Tcp => Test::Tcp,
                    Protocol::Ip => Test::Ip,
                    Protocol::Ip6 => Test::Ip6,
                }));
            }
            _ => return Err(self.error("a value is missing here", SUBSET)),
        }
        self.value().map(Expression::Test)
    }

    fn protocol(&mut self) -> Option<Protocol> {
        let protocol = match self.word()? {
            "tcp" => Protocol::Tcp,
            "ip" => Protocol::Ip,
            "ip6" => Protocol::Ip6,
            _ => return None,
        };
        self.at += 1;
        Some(protocol)
    }

    fn ends(&mut self) -> Result<Option<Ends>, FilterError> {
        let (one, other, end) = match self.word() {
            Some("src") => ("src", "dst", Ends::Source),
            Some("dst") => ("dst", "src", Ends::Destination),
            _ => return Ok(None),
        };
        self.at += 1;
        let pair = match self.peek() {
            Some(Token::Or) => Ends::Either,
            Some(Token::And) => Ends::Both,
            _ => return Ok(Some(end)),
        };
        self.at += 1;
        if self.word() != Some(other) {
            return Err(self.error(format!("'{other}' is missing here, after '{one}'"), SUBSET));
        }
        self.at += 1;
        Ok(Some(pair))
    }

    fn kind(&mut self) -> Option<Kind> {
        let kind = match self.word()? {
            "host" => Kind::Host,
            "net" => Kind::Net,
            "port" => Kind::Port,
            "portrange" => Kind::PortRange,
            _ => return None,
        };
        self.at += 1;
        Some(kind)
    }

    /// The value at hand, by the qualifiers that are in force.
    fn value(&mut self) -> Result<Test, FilterError> {
        let Some(word) = self.word() else {
            return Err(self.error("a value is missing here", SUBSET));
        };
        let Qualifiers { protocol, ends, kind } = self.last;
        let ends = ends.unwrap_or(Ends::Either);
        // `src 10.0.0.0/8`, as pcap has it.
        let kind = kind.unwrap_or(if word.contains('/') { Kind::Net } else { Kind::Host });
        let test = match kind {
            Kind::Host => {
                let address = address(word).ok_or_else(|| self.no_address(word))?;
                Test::Net(ends, Net::whole(address))
            }
            Kind::Net => return self.net(word, ends, protocol),
            Kind::Port => {
                let port = number(word).ok_or_else(|| self.no_port(word))?;
                Test::Ports(ends, port, port)
            }
            Kind::PortRange => {
                let range = word.split_once('-');
                let range = range.and_then(|(first, last)| Some((number(first)?, number(last)?)));
                let (first, last) = range.ok_or_else(|| self.no_port(word))?;
                Test::Ports(ends, first.min(last), first.max(last))
            }
        };
        self.fits(test, protocol)?;
        self.at += 1;
        Ok(test)
    }

    fn net(&mut self, word: &str, ends: Ends, protocol: Option<Protocol>) -> Result<Test, FilterError> {
        let at = self.at;
        let mut net = net(word).ok_or_else(|| self.no_address(word))?;
        self.at += 1;
        if self.word() == Some("mask") && !word.contains('/') {
            self.at += 1;
            let mask = self.word().and_then(|word| word.parse::<Ipv4Addr>().ok());
            let bits = mask.map(|mask| mask.to_bits().leading_ones());
            let (Some(mask), Some(bits), IpAddr::V4(_)) = (mask, bits, net.address) else {
                return Err(self.error("an IPv4 mask is missing here", "write mask 255.255.0.0"));
            };
            if mask.to_bits().count_ones() != bits {
                return Err(self.error("this mask has holes", "write mask 255.255.0.0"));
            }
            net.bits = bits as u8;
            self.at += 1;
        }
        if net != net.masked() {
            self.at = at;
            let right = net.masked();
            return Err(self.error(
                format!(
                    "this has bits set beyond its length: the network is {}/{}",
                    right.address, right.bits
                ),
                "write the network's own address, or host for a single one",
            ));
        }
        let test = Test::Net(ends, net);
        let behind = std::mem::replace(&mut self.at, at);
        self.fits(test, protocol)?;
        self.at = behind;
        Ok(test)
    }

    /// Refuses a value of another kind than the protocol before it.
    fn fits(&self, test: Test, protocol: Option<Protocol>) -> Result<(), FilterError> {
        let fits = match (test, protocol) {
            (Test::Net(_, net), Some(Protocol::Ip)) => net.address.is_ipv4(),
            (Test::Net(_, net), Some(Protocol::Ip6)) => net.address.is_ipv6(),
            (Test::Net(..), Some(Protocol::Tcp)) | (Test::Ports(..), Some(Protocol::Ip | Protocol::Ip6)) => {
                false
            }
            _ => true,
        };
        if fits {
            Ok(())
        } else {
            Err(self.error(
                "this does not match the protocol before it",
                "write ip and ip6 before addresses of their own, tcp before ports",
            ))
        }
    }

    /// The error of a word that stands where a value should.
    fn no_value(&self, word: &str, what: &str, help: &'static str) -> FilterError {
        match word {
            "udp" | "icmp" | "icmp6" | "arp" | "rarp" | "sctp" | "igmp" => self.error(
                format!("'{word}' is never captured: requests come by TCP"),
                "leave it out",
            ),
            "vlan" => self.error(
                "'vlan' is not part of the expression here",
                "use --input-raw-vlan or --input-raw-vlan-vid N",
            ),
            "ether" | "gateway" | "broadcast" | "multicast" | "less" | "greater" | "len" | "proto"
            | "protochain" | "mpls" | "pppoed" | "pppoes" | "geneve" | "inbound" | "outbound" | "ifname" => {
                self.error(format!("'{word}' is not supported here"), SUBSET)
            }
            _ if word.contains(['[', ']', '=', '<', '>']) => {
                self.error("looking into packets is not supported here", SUBSET)
            }
            _ => self.error(format!("'{}' is not {what}", word.escape_debug()), help),
        }
    }

    fn no_address(&self, word: &str) -> FilterError {
        self.no_value(
            word,
            "an address or a network",
            "write numbers such as 10.0.0.1, 10.0.0.0/8 or 2001:db8::/32: names are not looked up",
        )
    }

    fn no_port(&self, word: &str) -> FilterError {
        self.no_value(
            word,
            "a port or a range of ports",
            "write port 80 or portrange 8000-8100: names are not looked up",
        )
    }
}

impl Net {
    /// A single address.
    fn whole(address: IpAddr) -> Self {
        let bits = if address.is_ipv4() { 32 } else { 128 };
        Self { address, bits }
    }

    /// Without what stands beyond its length.
    fn masked(self) -> Self {
        let bits = u32::from(self.bits);
        let address = match self.address {
            IpAddr::V4(address) => {
                let mask = u32::MAX.checked_shl(32 - bits).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & mask).into()
            }
            IpAddr::V6(address) => {
                let mask = u128::MAX.checked_shl(128 - bits).unwrap_or(0);
                std::net::Ipv6Addr::from_bits(address.to_bits() & mask).into()
            }
        };
        Self { address, ..self }
    }
}

fn address(word: &str) -> Option<IpAddr> {
    word.parse::<IpAddr>().ok().map(|address| address.to_canonical())
}

/// `10.0.0.0/8`, `2001:db8::/32`; an address alone is whole, and `10.1` is 10.1.0.0/16.
fn net(word: &str) -> Option<Net> {
    let (text, bits) = match word.split_once('/') {
        Some((text, bits)) => (text, Some(number(bits)?)),
        None => (word, None),
    };
    let (address, whole) = match text.parse::<IpAddr>() {
        Ok(address) => (address, Net::whole(address).bits),
        Err(_) => short(text)?,
    };
    let most = Net::whole(address).bits;
    let bits = bits.map_or(Some(whole), |bits| u8::try_from(bits).ok())?;
    (bits <= most).then_some(Net { address, bits })
}

/// One to three numbers of an IPv4 address: the rest is zero, and no part of the network.
fn short(text: &str) -> Option<(IpAddr, u8)> {
    let mut octets = [0; 4];
    let mut count = 0;
    for part in text.split('.') {
        let octet = u8::try_from(number(part)?).ok()?;
        *octets.get_mut(count)? = octet;
        count += 1;
    }
    (count < 4).then(|| (IpAddr::from(octets), count as u8 * 8))
}

/// Digits alone: `u16::from_str` would take a sign too.
fn number(word: &str) -> Option<u16> {
    let digits = word.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| word.parse().ok()).flatten()
}
