//! `pyrun tree`.

use std::process::ExitCode;

use pyrun_core::{Code, Fault, PackageName};
use serde_json::json;

use super::seen;
use crate::args::look::TreeArgs;
use crate::console::{Console, Paint, Tone, words};
use crate::graph::Graph;
use crate::graph::tree::{Row, Shape, rows};
use crate::near::nearest;

/// Shows which packages need which.
pub async fn run(args: TreeArgs, console: &Console) -> Result<ExitCode, Fault> {
    let seen = seen::look(
        &args.sources,
        &args.choice,
        &args.target,
        &args.resolve,
        &args.place,
        console,
    )
    .await?;
    let from = args.package.iter().map(|name| package(name, &seen.graph));
    let shape = Shape {
        depth: args.depth,
        invert: args.invert,
        from: from.collect::<Result<_, _>>()?,
    };
    let target = &seen.lock.target;
    if console.is_json() {
        let graph = &seen.graph;
        let row = json!({
            "source": seen.name, "target": target, "roots": graph.roots, "packages": graph.packages,
        });
        console.out_line(&row.to_string());
        return Ok(ExitCode::SUCCESS);
    }
    let paint = console.paint_out();
    let mut text = format!(
        "{}, {target}\n",
        paint.tone(Tone::Bold, &words::plain(&seen.name))
    );
    for row in rows(&seen.graph, &shape) {
        text.push_str(&line(&row, paint));
    }
    console.out(&text);
    console.say(&total(&seen.graph));
    Ok(ExitCode::SUCCESS)
}

/// A package of the graph by its name.
pub fn package(text: &str, graph: &Graph) -> Result<PackageName, Fault> {
    let name: PackageName = text.parse().map_err(|_| {
        Fault::new(
            Code::USAGE,
            format!("`{text}` is not the name of a package"),
        )
    })?;
    if graph.packages.contains_key(&name) {
        return Ok(name);
    }
    let fault = Fault::new(
        Code::USAGE,
        format!("`{name}` is not among the locked packages"),
    );
    Err(match nearest(name.as_ref(), graph.packages.keys()) {
        Some(near) => fault.hint(format!("did you mean `{near}`?")),
        None => fault.hint("`pyrun tree` shows all of them"),
    })
}

fn line(row: &Row, paint: Paint) -> String {
    let mut text = format!(
        "{}{} {}",
        paint.tone(Tone::Dim, &row.lines),
        paint.tone(Tone::Name, &row.name),
        row.version
    );
    if let Some(size) = row.size {
        text += &paint.tone(Tone::Dim, &format!("  {}", words::bytes(size)));
    }
    if !row.note.is_empty() {
        text += &paint.tone(Tone::Dim, &format!("  {}", words::plain(&row.note)));
    }
    if row.again {
        text += &paint.tone(Tone::Dim, "  (*)");
    }
    text + "\n"
}

fn total(graph: &Graph) -> String {
    let (bytes, unknown) = graph.size();
    let count = words::count(graph.packages.len() as u64, "package");
    match unknown {
        0 => format!("{count}, wheels of {}", words::bytes(bytes)),
        _ => format!(
            "{count}, wheels of {} and {unknown} of unknown size",
            words::bytes(bytes)
        ),
    }
}
