//! The runner's answers to vectors.

use super::json::{Json, brief};
use super::language::Language;
use super::outcome::{Check, Outcome};
use super::read;
use super::suite::{Suite, Vectors};
use anyhow::{Result, bail, ensure};
use std::collections::BTreeMap;

pub(super) fn check(language: &'static Language, suite: &Suite) -> Result<Vec<Outcome>> {
    let mut outcomes = Vec::new();
    for vectors in suite.vectors.iter().filter(|vectors| !language.lacks.contains(&vectors.kind.as_str())) {
        let answers = read::lines(language.runner("vectors").arg(&vectors.file));
        let mut judge = |id: &str, problem| {
            outcomes.push(Outcome::new(
                language.name,
                Check::Vectors,
                format!("{}/{id}", vectors.kind),
                problem,
            ));
        };
        let answers = answers.unwrap_or_else(|error| {
            judge("run", Some(format!("{error:#}")));
            Vec::new()
        });
        for (index, case) in vectors.cases.iter().enumerate() {
            let id = case.get("id").and_then(Json::as_text).unwrap_or("?");
            judge(id, problem(vectors, case, answers.get(index))?);
        }
        if answers.len() > vectors.cases.len() {
            let more = answers.len() - vectors.cases.len();
            judge("end", Some(format!("{more} answers without a case")));
        }
    }
    Ok(outcomes)
}

fn problem(vectors: &Vectors, case: &Json, answer: Option<&Json>) -> Result<Option<String>> {
    let expected = expected(&vectors.kind, case)?;
    let Some(answer) = answer else {
        return Ok(Some("no answer".to_owned()));
    };
    if answer.get("id") != case.get("id") {
        return Ok(Some(format!("the answer is for {}", answer.get("id").unwrap_or(&Json::Null))));
    }
    let got = answer.get("result").unwrap_or(&Json::Null);
    Ok((*got != expected).then(|| {
        let comment = case.get("comment").and_then(Json::as_text).unwrap_or("");
        format!("{comment}\nexpected {}\ngot      {}", brief(&expected.to_string()), brief(&got.to_string()))
    }))
}

/// The answer that stands in the case (`conformance/PROTOCOL.md`, vectors).
fn expected(kind: &str, case: &Json) -> Result<Json> {
    let members: &[&str] = match kind {
        _ if case.get("error").is_some() => &["error"],
        "keys" => &["key", "storage", "hash", "shard", "slot"],
        "values_valid" => &["encoded", "value"],
        "crc" => &["crc"],
        "records" => &["flags", "expires_at", "idle_us", "body"],
        "sealed" => &["key", "flags", "expires_at", "idle_us", "body"],
        "interchange" => &["encoded"],
        other => bail!("vectors of kind {other} without an error: what is the answer?"),
    };
    let found: BTreeMap<_, _> =
        members.iter().filter_map(|name| Some(((*name).to_owned(), case.get(name)?.clone()))).collect();
    ensure!(found.len() == members.len(), "{kind}: {case} lacks a member of its answer");
    Ok(Json::Object(found))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(kind: &str, case: &str, answer: &str) -> Option<String> {
        let (case, answer) = (Json::parse(case).unwrap(), Json::parse(answer).unwrap());
        let vectors = Vectors { file: "x.json".into(), kind: kind.to_owned(), cases: Vec::new() };
        problem(&vectors, &case, Some(&answer)).unwrap()
    }

    #[test]
    fn answers_are_held_against_the_case() {
        let case = r#"{"id":"a","comment":"why","data":"00","crc":"d202ef8d"}"#;
        assert_eq!(judged("crc", case, r#"{"id":"a","result":{"crc":"d202ef8d"}}"#), None);
        assert!(judged("crc", case, r#"{"id":"a","result":{"crc":"00000000"}}"#).unwrap().contains("why"));
        assert!(judged("crc", case, r#"{"id":"b","result":{"crc":"d202ef8d"}}"#).is_some());
        let refused = r#"{"id":"a","valid":false,"encoded":"c1","error":"InvalidValue"}"#;
        assert_eq!(
            judged("values_invalid", refused, r#"{"id":"a","result":{"error":"InvalidValue"}}"#),
            None
        );
        assert!(judged("values_invalid", refused, r#"{"id":"a","result":{"value":null}}"#).is_some());
        assert!(expected("crc", &Json::parse(r#"{"id":"a"}"#).unwrap()).is_err());
    }
}
