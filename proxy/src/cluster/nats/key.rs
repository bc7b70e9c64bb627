//! Keys of the bucket. What a key may consist of is little, so what names consist of is encoded.

use data_encoding::BASE64URL_NOPAD;
use uuid::Uuid;

use crate::cluster::{NodeId, Place, Row};

/// The key of a row.
pub(super) fn of(row: &Row) -> String {
    match row {
        Row::Node(id, _) => format!("{NODE}.{id}"),
        // A prefix may be empty, a part of a key may not.
        Row::Name(Place { prefix, name }, _) => format!("{NAME}.{PREFIX}{}.{}", encode(prefix), encode(name)),
    }
}

/// Which row a key is of; none of ours, or one of a later version, is `None`.
pub(super) fn parse(key: &str) -> Option<Row> {
    let mut parts = key.split('.');
    let (kind, first, second) = (parts.next()?, parts.next()?, parts.next()?);
    let row = match kind {
        NODE => Row::Node(NodeId { process: Uuid::try_parse(first).ok()?, life: second.parse().ok()? }, None),
        NAME => Row::Name(Place { prefix: decode(first.strip_prefix(PREFIX)?)?.into(), name: decode(second)?.into() }, None),
        _ => return None,
    };
    // So that no two keys are one row.
    (of(&row) == key).then_some(row)
}

fn encode(text: &str) -> String {
    BASE64URL_NOPAD.encode(text.as_bytes())
}

fn decode(text: &str) -> Option<String> {
    String::from_utf8(BASE64URL_NOPAD.decode(text.as_bytes()).ok()?).ok()
}

const NODE: &str = "node";
const NAME: &str = "name";
const PREFIX: char = 'p';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_has_a_key_of_its_own_that_leads_back_to_it() {
        let names = ["a", "a.b", "日本語 >*", "..", "NAME"].map(|name| ["", "/p", "/p.q"].map(|prefix| (prefix, name)));
        let names = names.into_iter().flatten().map(|(prefix, name)| Row::Name(Place { prefix: prefix.into(), name: name.into() }, None));
        let nodes = [0, 7].map(|life| Row::Node(NodeId { process: Uuid::from_u128(5), life }, None));
        let mut keys = std::collections::BTreeSet::new();
        for row in names.chain(nodes) {
            let key = of(&row);
            assert!(key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte)), "{key}");
            assert_eq!(parse(&key), Some(row), "{key}");
            assert!(keys.insert(key));
        }
    }

    #[test]
    fn what_is_no_key_of_ours_is_no_row() {
        for other in [
            "",
            "node",
            "node.x.1",
            "node.00000000000000000000000000000005.01",
            "name.p.!!",
            "name.pYQ.YR",
            "name.YQ.YQ",
            "later.a.b",
            "name.pYQ.YQ.YQ",
        ] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
