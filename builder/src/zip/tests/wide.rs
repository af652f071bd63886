//! Tricks with zip64: fields and records that say a second thing to a second reader.

use super::*;

const MASKED: u32 = u32::MAX;

/// A zip64 extra field with these values (APPNOTE 4.5.3).
fn extra(values: &[u64]) -> Vec<u8> {
    let length = u16::try_from(values.len() * 8).expect("few values");
    let mut field = [1u16.to_le_bytes(), length.to_le_bytes()].concat();
    for value in values {
        field.extend(value.to_le_bytes());
    }
    field
}

/// An archive of one stored member of four bytes, with these extra fields, and these sizes (packed,
/// plain) in its two headers.
fn with_extra(local: &[u8], central: &[u8], sizes: (u32, u32)) -> Vec<u8> {
    let crc = crc32fast::hash(b"data").to_le_bytes();
    let sizes = [sizes.0.to_le_bytes(), sizes.1.to_le_bytes()].concat();
    let length = |extra: &[u8]| u16::try_from(extra.len()).expect("short").to_le_bytes();
    let mut bytes = b"PK\x03\x04\x14\0\0\0\0\0\0\0\0\0".to_vec();
    bytes.extend(crc);
    bytes.extend(&sizes);
    bytes.extend([1, 0]);
    bytes.extend(length(local));
    bytes.push(b'a');
    bytes.extend(local);
    bytes.extend(b"data");
    let offset = bytes.len() as u64;
    let mut directory = b"PK\x01\x02\x14\x03\x14\0\0\0\0\0\0\0\0\0".to_vec();
    directory.extend(crc);
    directory.extend(&sizes);
    directory.extend([1, 0]);
    directory.extend(length(central));
    directory.extend([0; 8]);
    directory.extend([0; 4]);
    directory.extend([0; 4]);
    directory.truncate(46);
    directory.push(b'a');
    directory.extend(central);
    bytes.extend(&directory);
    bytes.extend(end_record(1, offset, directory.len() as u64));
    bytes
}

#[test]
fn extra_fields_that_say_the_same_are_taken() {
    let plain = with_extra(b"", b"", (4, 4));
    assert_eq!(contents(plain).expect("good")["a"], b"data");
    let wide = extra(&[4, 4]);
    let masked = with_extra(&wide, &wide, (MASKED, MASKED));
    assert_eq!(contents(masked).expect("good")["a"], b"data");
}

#[test]
fn extra_fields_that_say_another_thing_are_refused() {
    let good = extra(&[4, 4]);
    let twice = [good.clone(), good.clone()].concat();
    let lie = extra(&[5, 5]);
    let huge = extra(&[1 << 50, 1 << 50]);
    let cut = good[..good.len() - 4].to_vec();
    let cases = [
        ("twice", &twice, &twice, MASKED),
        ("another size beside the plain one", &lie, &lie, 4),
        ("another local size", &lie, &good, MASKED),
        ("a size past the end", &huge, &huge, MASKED),
        ("cut off", &cut, &cut, MASKED),
        ("masked without a field", &Vec::new(), &Vec::new(), MASKED),
    ];
    for (name, local, central, size) in cases {
        let result = contents(with_extra(local, central, (size, size)));
        assert!(result.is_err(), "{name}: {result:?}");
    }
}

/// An archive that ends with a zip64 record and its locator. `change` gets all from the record on.
fn wide_end(change: impl FnOnce(&mut Vec<u8>, u64)) -> Vec<u8> {
    let member = Member::stored("one", b"data");
    let mut bytes = local_header(&member);
    bytes.extend(b"data");
    let offset = bytes.len() as u64;
    bytes.extend(central_header(&member, 0));
    let size = bytes.len() as u64 - offset;
    let at = bytes.len() as u64;
    let mut end = b"PK\x06\x06".to_vec();
    end.extend(44u64.to_le_bytes());
    end.extend([45, 0, 45, 0]);
    end.extend([0; 8]);
    for number in [1, 1, size, offset] {
        end.extend(number.to_le_bytes());
    }
    end.extend(b"PK\x06\x07\0\0\0\0");
    end.extend(at.to_le_bytes());
    end.extend([1, 0, 0, 0]);
    end.extend(b"PK\x05\x06\0\0\0\0");
    end.extend([0xff; 12]);
    end.extend([0, 0]);
    change(&mut end, at);
    bytes.extend(end);
    bytes
}

#[test]
fn a_wide_end_is_read() {
    let bytes = wide_end(|_, _| {});
    assert_eq!(contents(bytes).expect("good")["one"], b"data");
}

#[test]
fn ends_that_disagree_or_point_elsewhere_are_refused() {
    let put = |at: usize, new: &'static [u8]| {
        move |end: &mut Vec<u8>, _: u64| end[at..at + new.len()].copy_from_slice(new)
    };
    let plain = 56 + 20;
    for (name, bytes) in [
        ("two counts", wide_end(put(plain + 8, &[2, 0, 2, 0]))),
        ("two sizes", wide_end(put(plain + 12, &[1, 0, 0, 0]))),
        ("two offsets", wide_end(put(plain + 16, &[1, 0, 0, 0]))),
        (
            "no record where the locator points",
            wide_end(put(56 + 8, &[0])),
        ),
        ("another disk", wide_end(put(56 + 4, &[1]))),
        ("two disks", wide_end(put(56 + 16, &[2]))),
        ("a record of another length", wide_end(put(4, &[45]))),
        ("no signature", wide_end(put(0, b"XX"))),
        ("a directory that ends early", wide_end(put(40, &[1]))),
        ("a count of its own disk", wide_end(put(24, &[2]))),
        (
            "a locator before its record",
            wide_end(|end, at| end[64..72].copy_from_slice(&(at + 1).to_le_bytes())),
        ),
        (
            "bytes between the record and its locator",
            wide_end(|end, _| end.splice(56..56, [0; 8]).for_each(drop)),
        ),
        (
            "numbers that wrap",
            wide_end(|end, _| end[40..56].copy_from_slice(&[0xff; 16])),
        ),
    ] {
        let result = contents(bytes);
        assert!(result.is_err(), "{name}: {result:?}");
    }
}
