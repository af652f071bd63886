//! The template as JSON.
//!
//! In: infra/template.yaml as it is compiled into the program. Out: the same document with each
//! short form (`!Ref`, `!Sub`) written as the function it stands for. Never: evaluates one.

use std::collections::BTreeMap;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value, json};

/// The template's text.
pub const TEXT: &str = include_str!("../../../infra/template.yaml");

/// The template.
pub fn template() -> Value {
    let documents = Yaml::load_from_str(TEXT).expect("the template is YAML");
    assert_eq!(documents.len(), 1);
    to_json(&documents[0])
}

/// A mapping's members, in the order in which they are written.
pub fn members(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("a mapping")
}

/// The resources of a type, by their logical names.
pub fn resources_of(template: &Value, kind: &str) -> BTreeMap<String, Value> {
    let found: BTreeMap<String, Value> = members(&template["Resources"])
        .iter()
        .filter(|(_, resource)| resource["Type"] == kind)
        .map(|(name, resource)| (name.clone(), resource.clone()))
        .collect();
    assert!(!found.is_empty(), "no {kind}");
    found
}

fn to_json(yaml: &Yaml<'_>) -> Value {
    match yaml {
        Yaml::Value(scalar) => scalar_to_json(scalar),
        Yaml::Sequence(items) => items.iter().map(to_json).collect(),
        Yaml::Mapping(pairs) => {
            let mut map = Map::new();
            for (key, value) in pairs {
                let key = key.as_str().expect("a key is a text").to_owned();
                assert!(!map.contains_key(&key), "`{key}` stands twice");
                map.insert(key, to_json(value));
            }
            Value::Object(map)
        }
        Yaml::Tagged(tag, inner) => long_form(&tag.suffix, &to_json(inner)),
        other => panic!("the template has no such thing: {other:?}"),
    }
}

fn scalar_to_json(scalar: &Scalar<'_>) -> Value {
    match scalar {
        Scalar::Null => Value::Null,
        Scalar::Boolean(value) => json!(value),
        Scalar::Integer(value) => json!(value),
        Scalar::FloatingPoint(value) => json!(value.into_inner()),
        Scalar::String(text) => json!(text),
    }
}

/// What a tag is short for.
fn long_form(tag: &str, inner: &Value) -> Value {
    match tag {
        "Ref" | "Condition" => json!({ tag: inner }),
        "GetAtt" => {
            let text = inner.as_str().expect("a name with a dot");
            let (resource, attribute) = text.split_once('.').expect("a name with a dot");
            json!({"Fn::GetAtt": [resource, attribute]})
        }
        _ => json!({ format!("Fn::{tag}"): inner }),
    }
}
