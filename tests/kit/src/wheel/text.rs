//! The texts of a dist-info: METADATA, WHEEL and `entry_points.txt`.

/// METADATA: the three lines that each has, then `headers` in their order.
pub(super) fn metadata(name: &str, version: &str, headers: &[(String, String)]) -> String {
    let mut text = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n");
    for (key, value) in headers {
        text.extend([key, ": ", value, "\n"]);
    }
    text
}

/// WHEEL, with a line for each single tag of the compressed `tag`.
pub(super) fn wheel(purelib: bool, build_tag: Option<&str>, tag: &str) -> String {
    let purelib = if purelib { "true" } else { "false" };
    let mut text =
        format!("Wheel-Version: 1.0\nGenerator: pyrun-kit\nRoot-Is-Purelib: {purelib}\n");
    if let Some(build) = build_tag {
        text.extend(["Build: ", build, "\n"]);
    }
    for tag in expand(tag) {
        text.extend(["Tag: ", &tag, "\n"]);
    }
    text
}

/// `entry_points.txt`: pairs of a group and a line, with each group once, in order of appearance.
pub(super) fn entry_points(points: &[(String, String)]) -> String {
    let mut groups: Vec<&str> = Vec::new();
    for (group, _) in points {
        if !groups.contains(&group.as_str()) {
            groups.push(group);
        }
    }
    let mut text = String::new();
    for group in groups {
        text.extend(["[", group, "]\n"]);
        for (_, line) in points.iter().filter(|(of, _)| of == group) {
            text.extend([line, "\n"]);
        }
    }
    text
}

/// The single tags of a compressed tag set.
fn expand(tag: &str) -> Vec<String> {
    let parts: Vec<&str> = tag.split('-').collect();
    let [python, abi, platform] = parts[..] else {
        return vec![tag.to_owned()];
    };
    let mut out = Vec::new();
    for python in python.split('.') {
        for abi in abi.split('.') {
            for platform in platform.split('.') {
                out.push(format!("{python}-{abi}-{platform}"));
            }
        }
    }
    out
}
