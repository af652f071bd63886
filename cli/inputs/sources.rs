//! `[tool.uv.sources]`: where packages come from that a file itself asks for.
//!
//! In: the file's requirements and its sources. Out: the requirements with their addresses, and
//! pins to indexes. Never: a word about a source that none of the requirements needs.

use std::path::Path;

use pyrun_core::{Code, Fault, MarkerTree, Pin, Requirement, VersionOrUrl, Wishes};
use pyrun_script::uv::{UvPart, UvPlace, UvSource};

use super::{address, parse_requirement};

/// Has every requirement come from its source. `active` are the extras and groups that are chosen.
pub fn apply(
    list: &mut Vec<Requirement>,
    sources: &[UvSource],
    active: &[UvPart],
) -> Result<Vec<Pin>, Fault> {
    let mut pins = Vec::new();
    let holds = |source: &&UvSource| {
        let only = source.only_with.as_ref();
        only.is_none_or(|part| active.contains(part))
    };
    for source in sources.iter().filter(holds) {
        let named = list.iter().any(|each| needs(each, source));
        if !named {
            continue;
        }
        match &source.place {
            UvPlace::Index(index) => pins.push(Pin {
                package: source.package.clone(),
                index: index.clone(),
                marker: source.marker.clone(),
            }),
            UvPlace::Address(url) => move_to(list, source, url)?,
            UvPlace::Unusable(what) => return Err(unusable(source, what)),
        }
    }
    Ok(pins)
}

/// Whether a requirement is one that a source is for: an address of its own counts before it.
fn needs(requirement: &Requirement, source: &UvSource) -> bool {
    requirement.spec.name == source.package
        && !matches!(requirement.spec.version_or_url, Some(VersionOrUrl::Url(_)))
        && !requirement.spec.marker.is_disjoint(&source.marker)
}

/// Gives requirements an address, where the source's marker holds; elsewhere they stay.
fn move_to(list: &mut Vec<Requirement>, source: &UvSource, url: &str) -> Result<(), Fault> {
    let mut added = Vec::new();
    for requirement in list.iter_mut().filter(|each| needs(each, source)) {
        let origin = requirement.origin.clone();
        let mut moved = parse_requirement(&format!("{} @ {url}", source.package), origin)?;
        moved.spec.extras.clone_from(&requirement.spec.extras);
        moved.spec.marker.clone_from(&requirement.spec.marker);
        moved.spec.marker.and(source.marker.clone());
        moved.hashes.clone_from(&requirement.hashes);
        added.push(moved);
        requirement.spec.marker.and(source.marker.negate());
    }
    list.retain(|each| each.spec.marker != MarkerTree::FALSE);
    list.extend(added);
    Ok(())
}

fn unusable(source: &UvSource, what: &str) -> Fault {
    Fault::new(
        Code::REQUIREMENT_INVALID,
        format!(
            "`{}` comes from {what} (`[tool.uv.sources]`)",
            source.package
        ),
    )
    .cause("a bundle is made of what an index or an address has")
    .span(source.span.clone())
    .hint(format!(
        "take `{}` out of the sources if an index has it, or give it the `url` of a wheel",
        source.package
    ))
}

/// Paths of links are meant from where the file lies.
pub fn settle_links(wishes: &mut Wishes, file: &Path) {
    let folder = file.parent().unwrap_or(Path::new("."));
    for links in &mut wishes.find_links {
        *links = address::links(links, folder);
    }
}
