//! `RepoRegistry`, as far as it is about `repos.yml` as a whole.

use std::sync::Arc;

use tonic::{Request, Response, Status};

use super::{
    answer::{Answers, blocking, status, streaming},
    convert,
};
use crate::{
    fs::{bytes_of, path_from},
    generated::kanban::{
        CheckRegistryRequest, CheckRegistryResponse, ExportRegistryRequest, ExportRegistryResponse,
        ImportRegistryRequest, ImportRegistryResponse, RegistryFinding, RegistryFormat, RegistryRule,
        Severity, SkippedRepo,
    },
    governor::{Error, ExportFormat, Governor, ImportOrder, Skipped},
    registry::{FileRule, Problem},
};

/// Most bytes of a piece.
const CHUNK: usize = 1 << 20;

pub(super) async fn import(
    governor: Arc<Governor>,
    request: Request<ImportRegistryRequest>,
) -> Result<Response<ImportRegistryResponse>, Status> {
    let (metadata, _, request) = request.into_parts();
    blocking(&metadata, move || {
        let report = governor.import_registry(&ImportOrder {
            file: path_from(&request.file),
            content: request.content,
            dry_run: request.dry_run,
            base_version: Some(request.base_version).filter(|version| !version.is_empty()),
        })?;
        Ok(ImportRegistryResponse {
            added: report.added.into_iter().map(convert::repo).collect(),
            skipped: report.skipped.into_iter().map(skipped).collect(),
            notes: report.notes.into_iter().map(|note| finding(note, Severity::Warn)).collect(),
            diff: report.diff,
            registry_version: report.version,
        })
    })
    .await
}

pub(super) async fn check(
    governor: Arc<Governor>,
    request: Request<CheckRegistryRequest>,
) -> Result<Response<CheckRegistryResponse>, Status> {
    blocking(request.metadata(), move || {
        let report = governor.check_registry()?;
        let errors = report.errors.into_iter().map(|problem| finding(problem, Severity::Error));
        let warnings = report.warnings.into_iter().map(|problem| finding(problem, Severity::Warn));
        Ok(CheckRegistryResponse {
            path: bytes_of(&report.path),
            findings: errors.chain(warnings).collect(),
            findings_left_out: number(report.left_out),
            repos: number(report.repos),
        })
    })
    .await
}

pub(super) fn export(
    governor: Arc<Governor>,
    request: ExportRegistryRequest,
) -> Result<Response<Answers<ExportRegistryResponse>>, Status> {
    let format = match request.format() {
        RegistryFormat::Yaml => ExportFormat::Yaml,
        RegistryFormat::Json => ExportFormat::Json,
        RegistryFormat::Unspecified => {
            return Err(status(Error::bad_request("format", "choose one of the formats")));
        }
    };
    Ok(streaming(move |sink| {
        let (text, view) = governor.export_registry(format);
        let mut first = Some((
            view.document.version.clone(),
            view.problem.map(|problem| problem.to_string()).unwrap_or_default(),
        ));
        for chunk in text.as_bytes().chunks(CHUNK) {
            let (registry_version, registry_error) = first.take().unwrap_or_default();
            if !sink(ExportRegistryResponse { chunk: chunk.to_vec(), registry_version, registry_error }) {
                break;
            }
        }
        Ok(())
    }))
}

fn skipped(skipped: Skipped) -> SkippedRepo {
    SkippedRepo {
        name: skipped.repo.name,
        local_path: bytes_of(&skipped.repo.local_path),
        line: number(skipped.line),
        reason: skipped.reason,
    }
}

fn finding(problem: Problem, severity: Severity) -> RegistryFinding {
    RegistryFinding {
        rule: rule(problem.rule).into(),
        severity: severity.into(),
        repo_name: problem.repo.unwrap_or_default(),
        line: number(problem.line),
        column: number(problem.column),
        message: problem.message,
        fix: problem.fix,
        snippet: problem.snippet,
        caret: number(problem.caret),
    }
}

fn rule(rule: FileRule) -> RegistryRule {
    let name = format!("REGISTRY_RULE_{}", rule.as_str().to_uppercase().replace('-', "_"));
    RegistryRule::from_str_name(&name).unwrap_or_default()
}

fn number(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rule_has_a_place_in_the_contract() {
        for known in FileRule::ALL {
            assert_ne!(rule(*known), RegistryRule::Unspecified, "{}", known.as_str());
        }
        // And one that says nothing.
        assert_eq!(FileRule::ALL.len() + 1, (0..).map_while(|n| RegistryRule::try_from(n).ok()).count());
    }
}
