//! Sends rows through a model's component, many in one request, and takes its answers apart.

use anyhow::{Result, anyhow, bail};
use foretold_core::http::request;
use foretold_core::model::manifest::Manifest;
use serde_json::value::RawValue;

use crate::commands::model::Model;
use crate::commands::progress::{Progress, rate};
use crate::commands::rows::Rows;
use crate::commands::rows::json_lines::{Members, members};
use crate::commands::rows::row::Row;
use crate::guest::contract::{Report, Request};
use crate::guest::pool::{CallError, Called};

/// Rows of one request.
const BATCH: usize = 1000;
/// Refused rows that are described; more are counted.
const MAX_DESCRIBED: u64 = 20;
/// How the `type` of an answer begins that is a problem instead.
const PROBLEM: &str = "\"urn:foretold:problem:";

/// What the answers of all endpoints are to a row, the values as JSON, or why there are none.
pub(crate) type Answers = Result<Vec<(String, String)>, String>;

/// What became of rows, in predictions: with `--keys repr` each endpoint has one of its own.
#[derive(Clone, Copy, Default)]
pub(crate) struct Counts {
    pub(crate) rows: u64,
    pub(crate) hits: u64,
    pub(crate) computed: u64,
    pub(crate) stored: u64,
    pub(crate) not_stored: u64,
    /// Rows without a prediction.
    pub(crate) refused: u64,
}

/// Rows on their way through a component.
pub(crate) struct Scoring<'a> {
    model: &'a Model,
    /// What is asked for each row: paths, with queries.
    targets: Vec<String>,
    counts: Counts,
    progress: Progress,
}

impl<'a> Scoring<'a> {
    pub(crate) fn new(model: &'a Model, targets: Vec<String>, progress: Progress) -> Scoring<'a> {
        Scoring { model, targets, counts: Counts::default(), progress }
    }

    /// The next rows of a file and the answers to them, until there are no more. Rows that get none
    /// are named on standard error.
    ///
    /// # Errors
    /// If the file cannot be read on, or the component answers no row at all.
    pub(crate) async fn next(
        &mut self,
        rows: &mut Rows<'_>,
    ) -> Result<Option<Vec<(Row, Answers)>>> {
        let rows = rows.take(BATCH)?;
        if rows.is_empty() {
            return Ok(None);
        }
        let answers = self.send(&rows).await?;
        Ok(Some(rows.into_iter().zip(answers).collect()))
    }

    async fn send(&mut self, rows: &[Row]) -> Result<Vec<Answers>> {
        let manifest = self.model.manifest();
        let mut answers: Vec<Answers> = rows.iter().map(|row| check(row, manifest)).collect();
        let sent: Vec<usize> = (0..rows.len()).filter(|i| answers[*i].is_ok()).collect();
        let requests = sent.iter().filter_map(|i| rows[*i].request.as_deref().ok());
        let body = format!("[{}]", requests.collect::<Vec<_>>().join(","));
        for target in self.targets.iter().filter(|_| !sent.is_empty()) {
            let (report, found) = call(self.model, target, body.as_bytes()).await?;
            let Report { hits, misses, stored, dropped, unavailable, .. } = report;
            self.counts.hits += u64::from(hits);
            self.counts.computed += u64::from(misses);
            self.counts.stored += u64::from(stored);
            self.counts.not_stored += u64::from(dropped + unavailable);
            if found.len() != sent.len() {
                bail!("the component gave {} answers to {} rows", found.len(), sent.len());
            }
            for (i, found) in sent.iter().zip(found) {
                match (&mut answers[*i], found) {
                    (Ok(answers), Ok(found)) => answers.extend(found),
                    (answers @ Ok(_), Err(reason)) => *answers = Err(reason),
                    (Err(_), _) => {}
                }
            }
        }
        self.counts.rows += rows.len() as u64;
        for (row, answer) in rows.iter().zip(&answers) {
            if let Err(reason) = answer {
                self.refuse(row.line, reason);
            }
        }
        let rows = self.counts.rows;
        self.progress.show(|time| format!("{rows} rows, {} rows/s", rate(rows, time)));
        Ok(answers)
    }

    /// Counts and names a row that cannot be used.
    pub(crate) fn refuse(&mut self, line: u64, reason: &str) {
        self.counts.refused += 1;
        if self.counts.refused <= MAX_DESCRIBED {
            self.progress.clear();
            eprintln!("line {line}: {reason}");
        }
    }

    /// What became of all rows.
    pub(crate) fn finish(self) -> Counts {
        let more = self.counts.refused.saturating_sub(MAX_DESCRIBED);
        drop(self.progress);
        if more > 0 {
            eprintln!("and {more} more rows were refused");
        }
        self.counts
    }
}

/// Whether a row is one that the component takes: in an array of many mistakes it would not explain
/// them all.
fn check(row: &Row, manifest: &Manifest) -> Answers {
    let request = row.request.as_ref().map_err(String::clone)?;
    let parsed = request::parse(request.as_bytes(), &manifest.features);
    parsed.map(|_| Vec::new()).map_err(|problem| problem.detail())
}

/// One request with an array of rows.
async fn call(model: &Model, target: &str, body: &[u8]) -> Result<(Report, Vec<Answers>)> {
    let Called { response, .. } =
        model.pool.call(Request::of_json(target, body)).await.map_err(|error| match error {
            CallError::TimedOut => anyhow!("{BATCH} rows took the component too long"),
            CallError::Failed(error) => anyhow!("the component broke down: {error:#}"),
        })?;
    if let Some(log) = &response.log {
        eprintln!("{}", log.escape_debug());
    }
    if response.status != 200 {
        let body = String::from_utf8_lossy(&response.body);
        bail!("the component answered {}: {body}", response.status);
    }
    let answers: Vec<&RawValue> = serde_json::from_slice(&response.body)?;
    let answers = answers.into_iter().map(answer).collect::<Result<_>>()?;
    Ok((response.report, answers))
}

/// The answers to a row, or the detail of the problem in their place.
fn answer(json: &RawValue) -> Result<Answers> {
    let Members(members) = members(json.get()).map_err(anyhow::Error::msg)?;
    let is_problem =
        |(name, value): &(String, String)| name == "type" && value.starts_with(PROBLEM);
    if !members.iter().any(is_problem) {
        return Ok(Ok(members));
    }
    let detail = members.iter().find(|(name, _)| name == "detail");
    let detail = detail.map_or("\"\"", |(_, value)| value);
    Ok(Err(serde_json::from_str(detail)?))
}
