use serde_json::json;

use super::{
    Context, FINDINGS, FINE, Failure,
    args::Ledger,
    show::{note, print, print_json},
};
use crate::ledger;

pub(super) fn run(context: &Context, command: &Ledger) -> Result<u8, Failure> {
    match command {
        Ledger::Verify => verify(context),
    }
}

/// Reads the file itself: whoever doubts the ledger need not trust the governor.
fn verify(context: &Context) -> Result<u8, Failure> {
    let path = context.home.state.join("ledger.sqlite3");
    if !path.exists() {
        return Err(Failure::new(format!(
            "there is no ledger at {}; `kpmo governor start` makes one",
            path.display()
        )));
    }
    let report = ledger::verify(&path).map_err(Failure::new)?;
    let problems: Vec<String> = report
        .problems
        .iter()
        .map(|problem| match problem.seq {
            Some(seq) => format!("event {seq}: {}", problem.detail),
            None => problem.detail.clone(),
        })
        .collect();
    let head = hex::encode(report.head_hash);
    if context.json {
        print_json(&json!({ "events": report.events, "head_hash": head, "problems": problems }));
    } else if problems.is_empty() {
        print(&format!("{} events, all in order; head {head}\n", report.events));
    } else {
        for problem in &problems {
            note(&format!("kpmo: {problem}"));
        }
    }
    Ok(if problems.is_empty() { FINE } else { FINDINGS })
}
