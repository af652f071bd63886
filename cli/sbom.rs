//! A bundle's bill of materials (`CycloneDX` 1.6).
//!
//! In: a bundle's record, and what is known of vulnerabilities. Out: a JSON document that depends on
//! them alone. Never: a time or a random number; a licence that nobody stated.

use std::collections::BTreeSet;

use pyrun_core::osv::{Severity, Vulnerability};
use pyrun_core::{BundleRecord, PackageName, Segment, Sha256};
use serde_json::{Value, json};

/// The document.
pub fn cyclonedx(record: &BundleRecord, vulnerabilities: Option<&[Vulnerability]>) -> Value {
    let manifest = &record.manifest;
    let root = format!("pyrun:{}", manifest.lock);
    let needed: BTreeSet<&PackageName> = manifest
        .segments
        .iter()
        .flat_map(|segment| record.needs(segment))
        .collect();
    let tops = manifest
        .segments
        .iter()
        .filter(|segment| !needed.contains(&segment.package));
    let mut tops: Vec<String> = tops.map(purl).collect();
    if tops.is_empty() {
        // All of them stand in circles: each may be the one that was asked for.
        tops = manifest.segments.iter().map(purl).collect();
    }
    let mut dependencies = vec![json!({ "ref": root, "dependsOn": tops })];
    dependencies.extend(manifest.segments.iter().map(|segment| {
        let needs = record.needs(segment);
        let of = |name: &PackageName| {
            let same = manifest
                .segments
                .iter()
                .find(|segment| segment.package == *name);
            same.map(purl)
        };
        let needs: Vec<String> = needs.iter().filter_map(of).collect();
        json!({ "ref": purl(segment), "dependsOn": needs })
    }));
    let components = manifest
        .segments
        .iter()
        .map(|segment| component(record, segment));
    let mut document = json!({
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": format!("urn:uuid:{}", uuid(&manifest.lock.0)),
        "version": 1,
        "metadata": {
            "tools": { "components": [{
                "type": "application", "name": "pyrun", "version": env!("CARGO_PKG_VERSION"),
            }]},
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": "pyrun-bundle",
                "version": manifest.lock.to_string(),
                "hashes": [{ "alg": "SHA-256", "content": record.sha256.to_string() }],
                "properties": [{ "name": "pyrun:target", "value": manifest.target }],
            },
        },
        "components": components.collect::<Vec<Value>>(),
        "dependencies": dependencies,
    });
    if let Some(found) = vulnerabilities {
        document["vulnerabilities"] = found.iter().map(vulnerability).collect();
    }
    document
}

fn component(record: &BundleRecord, segment: &Segment) -> Value {
    let mut component = json!({
        "type": "library",
        "bom-ref": purl(segment),
        "name": segment.package,
        "version": segment.version.to_string(),
        "purl": purl(segment),
        "hashes": [{ "alg": "SHA-256", "content": segment.wheel_sha256.to_string() }],
        "properties": [{ "name": "pyrun:wheel", "value": segment.wheel.as_str() }],
    });
    let Some(about) = record.about.get(&segment.package) else {
        return component;
    };
    if let Some(licence) = &about.licence {
        component["licenses"] = json!([{ "expression": licence }]);
    }
    if let (Some(sdist), Some(properties)) = (about.sdist, component["properties"].as_array_mut()) {
        properties.push(json!({ "name": "pyrun:built-from", "value": format!("sha256:{sdist}") }));
    }
    component
}

fn vulnerability(found: &Vulnerability) -> Value {
    let affected = format!(
        "pkg:pypi/{}@{}",
        found.package,
        escaped(&found.version.to_string())
    );
    let mut entry = json!({
        "id": found.id,
        "source": { "name": "OSV", "url": format!("https://osv.dev/vulnerability/{}", found.id) },
        "references": found.aliases.iter().map(|alias| json!({
            "id": alias,
            "source": { "name": "OSV", "url": format!("https://osv.dev/vulnerability/{alias}") },
        })).collect::<Vec<Value>>(),
        "description": found.summary,
        "affects": [{ "ref": affected }],
    });
    let severity = match found.severity {
        None => "unknown",
        Some(Severity::Low) => "low",
        Some(Severity::Medium) => "medium",
        Some(Severity::High) => "high",
        Some(Severity::Critical) => "critical",
    };
    entry["ratings"] = json!([{ "severity": severity }]);
    if let Some(fixed) = &found.fixed {
        entry["recommendation"] = json!(format!("upgrade {} to {fixed}", found.package));
    }
    entry
}

/// The package's address (package-url, type `pypi`).
fn purl(segment: &Segment) -> String {
    let version = escaped(&segment.version.to_string());
    format!("pkg:pypi/{}@{version}", segment.package)
}

/// A version has two signs that an address can't hold as they are.
fn escaped(version: &str) -> String {
    version.replace('+', "%2B").replace('!', "%21")
}

/// A UUID of the bits of a digest (RFC 9562, version 8).
fn uuid(digest: &Sha256) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest.as_bytes()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_made_of_a_digest() {
        let uuid = uuid(&Sha256::of(""));
        assert_eq!(uuid, "e3b0c442-98fc-8c14-9afb-f4c8996fb924");
    }

    #[test]
    fn a_version_fits_into_an_address() {
        assert_eq!(escaped("1!2.0+cpu"), "1%212.0%2Bcpu");
    }
}
