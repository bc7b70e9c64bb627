//! Ids of which only the beginning was said, as the page and people have them.

use browser_stream_client::{Code, RefusalCode};
use serde_json::Value;

use super::{
    super::{Failure, failure::status},
    api::Api,
};

/// With fewer digits it is a slip, not an id.
const DIGITS_MIN: usize = 4;

/// The digits and dashes of a whole one.
const WHOLE: usize = 36;

/// So many of those that are meant perhaps are told.
const TOLD_MAX: usize = 5;

/// The id in this list that begins so; a stream's is its session's with a number behind it. What is whole already, or no beginning, is left as it is.
pub(super) async fn whole(api: &mut Api, list: &str, id: String) -> Result<String, Failure> {
    let (session, number) = parts(&id);
    let is_begun = (DIGITS_MIN..WHOLE).contains(&session.len()) && session.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    if !is_begun {
        return Ok(id);
    }
    let rows = api.list(list, Some(session)).await?;
    let ids = rows.iter().filter_map(|row| row.get("id").and_then(Value::as_str));
    let begins = |whole: &&str| {
        let (of, behind) = parts(whole);
        behind == number && of.get(..session.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(session))
    };
    one(&id, list, ids.filter(begins).collect())
}

fn parts(id: &str) -> (&str, Option<&str>) {
    id.split_once(':').map_or((id, None), |(session, number)| (session, Some(number)))
}

/// The one that is meant, or which it may be.
fn one(id: &str, list: &str, found: Vec<&str>) -> Result<String, Failure> {
    let refused = |code: Code, why: String| Failure::exchange(status(RefusalCode::Known(code)), &format!("{code}: {why}"));
    let what = list.rsplit('/').next().unwrap_or(list).trim_end_matches('s');
    match found[..] {
        [id] => Ok(id.to_owned()),
        [] => Err(refused(Code::NotFound, format!("there is no {what} whose id begins with {id}"))),
        _ => {
            let told = found.iter().take(TOLD_MAX).copied().collect::<Vec<_>>().join(", ");
            let more = if found.len() > TOLD_MAX { format!(" and {} more", found.len() - TOLD_MAX) } else { String::new() };
            Err(refused(Code::BadRequest, format!("{} {what}s have ids that begin with {id}: {told}{more}; write more of it", found.len())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_enough_where_one_has_it_and_else_those_are_told_that_have() {
        let ended = |found: Vec<&str>| one("0123", "rooms/hall/members", found).map_err(|failure| (failure.status(), failure.to_string()));
        assert_eq!(ended(vec!["0123-a"]), Ok("0123-a".to_owned()));
        assert_eq!(ended(vec![]), Err((68, "not_found: there is no member whose id begins with 0123".to_owned())));
        let (status, said) = ended(vec!["0123-a"; 7]).expect_err("too many");
        assert_eq!(status, 2);
        assert!(
            said.starts_with("bad_request: 7 members have ids that begin with 0123: 0123-a, ") && said.contains(" and 2 more"),
            "{said}"
        );
    }
}
