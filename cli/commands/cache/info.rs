//! `pyrun cache info`.

use std::process::ExitCode;

use pyrun_core::osv::Vulnerability;
use pyrun_core::{BundleRecord, Code, Fault};
use serde_json::json;

use crate::args::CacheOneArgs;
use crate::console::{Align, Console, Table, Tone, words};
use crate::settings::{FileSettings, Held};
use crate::{sbom, vulnerable};

/// Shows one bundle, its bill of materials, or what is known of its vulnerabilities.
pub async fn run(args: &CacheOneArgs, console: &Console) -> Result<ExitCode, Fault> {
    let inventory = super::inventory(&args.place).await?;
    let hash = inventory.find(&args.hash).await?;
    let (row, record) = inventory.one(&hash).await?;
    let known = if args.vulnerabilities {
        Some(vulnerabilities(&record, args, console).await?)
    } else {
        None
    };
    if args.sbom {
        let document = sbom::cyclonedx(&record, known.as_deref());
        let text = serde_json::to_string_pretty(&document);
        console.out_line(&text.expect("a document is plain values"));
        return Ok(ExitCode::SUCCESS);
    }
    if console.is_json() {
        let mut one = json!({ "bundle": row, "record": record });
        if let Some(known) = &known {
            one["vulnerabilities"] = json!(known);
        }
        console.out_line(&one.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(known) = &known {
        for one in known {
            console.out_line(&words::plain(&vulnerable::line(one)));
        }
        console.say(&match known.len() {
            0 => "No vulnerability of its packages is known".to_owned(),
            1 => "1 known vulnerability".to_owned(),
            count => format!("{count} known vulnerabilities"),
        });
        return Ok(ExitCode::SUCCESS);
    }
    let paint = console.paint_out();
    let line = |name: &str, value: &str| {
        console.out_line(&format!(
            "{} {value}",
            paint.tone(Tone::Bold, &format!("{name:<9}"))
        ));
    };
    line("hash", &hash.to_string());
    line("target", &record.manifest.target);
    line(
        "size",
        &format!(
            "{}, {} unpacked in {}",
            words::bytes(row.size),
            words::bytes(row.unpacked),
            words::count(record.manifest.files, "file")
        ),
    );
    line(
        "bytecode",
        if row.bytecode {
            "compiled"
        } else {
            "not yet: `pyrun prewarm` compiles it"
        },
    );
    line(
        "unpacked",
        if row.here {
            "on this machine"
        } else {
            "not on this machine"
        },
    );
    line("built", &record.built);
    line("runs", &words::grouped(row.runs));
    console.out_line("");
    let mut table = Table::new(&[
        ("PACKAGE", Align::Left),
        ("VERSION", Align::Left),
        ("SIZE", Align::Right),
        ("UNPACKED", Align::Right),
        ("FILES", Align::Right),
        ("NEEDS", Align::Left),
    ]);
    for segment in &record.manifest.segments {
        let needs: Vec<String> = segment.depends.iter().map(ToString::to_string).collect();
        table.row(vec![
            segment.package.to_string(),
            segment.version.to_string(),
            words::bytes(segment.length),
            words::bytes(segment.unpacked),
            words::grouped(segment.files),
            needs.join(", "),
        ]);
    }
    console.table(&table);
    Ok(ExitCode::SUCCESS)
}

/// What is known of the bundle's packages.
async fn vulnerabilities(
    record: &BundleRecord,
    args: &CacheOneArgs,
    console: &Console,
) -> Result<Vec<Vulnerability>, Fault> {
    let file = FileSettings::find(&crate::commands::here()?)?;
    let dump = Held::dump(&args.held, &file).ok_or_else(|| {
        Fault::new(Code::USAGE, "no dump of known vulnerabilities is named")
            .hint("get the all.zip of osv.dev's ecosystem PyPI, and name it with `--osv FILE` or `osv` in pyrun.toml")
    })?;
    let segments = record.manifest.segments.iter();
    let packages = segments.map(|segment| (segment.package.clone(), segment.version.clone()));
    let found = dump.find(packages.collect()).await?;
    for warning in &found.warnings {
        console.warn(warning);
    }
    Ok(found.vulnerabilities)
}
