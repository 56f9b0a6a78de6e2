//! What metadata are made of, looked at before anything is built of them.
//!
//! The tree of a schema comes as a list, in which each element says how many children follow. The
//! decoder takes that for granted, and goes down as deep as it is told. And what takes a few bytes
//! in the file can take hundreds in memory.

use parquet::file::metadata::ColumnChunkMetaData;

use super::thrift::{I16, I64, STRUCT, Thrift, Trouble};

/// How deep types may be within types, the root counted too.
const DEEPEST: usize = 70;
/// Structures and lists within others in metadata.
const NESTED: u32 = 32;

/// Elements of a schema: 4,096 columns, each of which is in a list or map of its own.
const MOST_ELEMENTS: u64 = 16_384;
/// Column chunks of a file: what is made of them takes at most 128 MiB, which is not more than
/// pages take, of which there are none yet.
const MOST_CHUNKS: u64 = (128 << 20) / size_of::<ColumnChunkMetaData>() as u64;
/// Notes that a writer left in a file.
const MOST_NOTES: u64 = 16_384;

/// Refuses metadata whose schema is too deep, or has fewer elements than it says, and those of
/// which too much would be made.
pub(super) fn check(metadata: &[u8]) -> Result<(), String> {
    walk(&mut Thrift::new(metadata, NESTED)).map_err(|trouble| match trouble {
        Trouble::Short => "they end too early".to_owned(),
        Trouble::Broken(why) => why,
    })
}

fn walk(thrift: &mut Thrift<'_>) -> Result<(), Trouble> {
    let mut last = 0;
    while let Some((id, wire)) = thrift.field(&mut last)? {
        match id {
            2 => schema(thrift)?,
            4 => row_groups(thrift)?,
            5 => {
                let (size, wire) = thrift.list()?;
                at_most(size, MOST_NOTES, "notes")?;
                thrift.skip_elements(size, wire)?;
            }
            _ => thrift.skip(wire)?,
        }
    }
    Ok(())
}

fn at_most(size: u64, most: u64, what: &str) -> Result<(), Trouble> {
    if size <= most {
        return Ok(());
    }
    Err(Trouble::Broken(format!("they have {size} {what}, and at most {most} are read")))
}

/// Counts the column chunks of all row groups.
fn row_groups(thrift: &mut Thrift<'_>) -> Result<(), Trouble> {
    let (groups, _) = thrift.list()?;
    at_most(groups, MOST_CHUNKS, "row groups")?;
    let mut chunks = 0u64;
    for _ in 0..groups {
        let mut last = 0;
        while let Some((id, wire)) = thrift.field(&mut last)? {
            if id == 1 {
                let (size, wire) = thrift.list()?;
                chunks = chunks.saturating_add(size);
                at_most(chunks, MOST_CHUNKS, "column chunks")?;
                thrift.skip_elements(size, wire)?;
            } else {
                thrift.skip(wire)?;
            }
        }
    }
    Ok(())
}

fn schema(thrift: &mut Thrift<'_>) -> Result<(), Trouble> {
    let (size, wire) = thrift.list()?;
    if wire != STRUCT {
        return Err(Trouble::Broken(format!("the schema is a list of type {wire}")));
    }
    at_most(size, MOST_ELEMENTS, "elements of a schema")?;
    // Children that are still to come, of each element above the next one.
    let mut above: Vec<u64> = Vec::new();
    for index in 0..size {
        let children = children(thrift)?;
        if let Some(left) = above.last_mut() {
            *left -= 1;
        }
        if children > size - index - 1 {
            let why = format!("an element of the schema declares {children} children");
            return Err(Trouble::Broken(why));
        }
        if children > 0 {
            above.push(children);
        }
        // A last child has nobody after it, but may have children itself.
        while above.last() == Some(&0) {
            above.pop();
        }
        if above.len() > DEEPEST {
            return Err(Trouble::Broken(format!("its types are more than {DEEPEST} deep")));
        }
    }
    Ok(())
}

/// How many children the next element has.
fn children(thrift: &mut Thrift<'_>) -> Result<u64, Trouble> {
    let (mut children, mut last) = (0, 0);
    while let Some((id, wire)) = thrift.field(&mut last)? {
        if id == 5 && (I16..=I64).contains(&wire) {
            let number = thrift.int()?;
            children = u64::try_from(number)
                .map_err(|_| Trouble::Broken(format!("an element has {number} children")))?;
        } else {
            thrift.skip(wire)?;
        }
    }
    Ok(children)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Metadata with elements of so many children.
    fn metadata(elements: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x15, 2, 0x19, 0xfc];
        let mut size = elements.len();
        while size > 0x7f {
            bytes.push(u8::try_from(size & 0x7f).unwrap() | 0x80);
            size >>= 7;
        }
        bytes.push(u8::try_from(size).unwrap());
        for children in elements {
            bytes.extend([0x48, 1, b'x', 0x15, children * 2, 0]);
        }
        bytes.push(0);
        bytes
    }

    #[test]
    fn wide_and_shallow_is_well() {
        let wide = [&[60][..], &[0; 60]].concat();
        assert_eq!(check(&metadata(&wide)), Ok(()));
        let pairs = [&[50][..], &[1, 0].repeat(50)].concat();
        assert_eq!(check(&metadata(&pairs)), Ok(()));
        let deep = [&[1; 60][..], &[0]].concat();
        assert_eq!(check(&metadata(&deep)), Ok(()));
    }

    /// Metadata with a list of structures in field `id`, each of them `each`.
    fn list(id: u8, size: u32, each: &[u8]) -> Vec<u8> {
        let mut bytes = vec![0x09 | id << 4, 0xfc];
        let mut left = size;
        while left > 0x7f {
            bytes.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
            left >>= 7;
        }
        bytes.push(u8::try_from(left).unwrap());
        bytes.extend(each.repeat(size as usize));
        bytes.push(0);
        bytes
    }

    #[test]
    fn what_much_would_be_made_of_is_refused() {
        let most = |most: u64| u32::try_from(most).unwrap();
        // A row group of three chunks, and a note without a text.
        let (group, note) = (&[0x19, 0x3c, 0, 0, 0, 0][..], &[0x18, 0, 0][..]);
        let chunks = most(MOST_CHUNKS);
        for (id, most, each, what) in [
            (4, chunks / 3, group, "column chunks"),
            (4, chunks, &[0][..], "row groups"),
            (5, most(MOST_NOTES), note, "notes"),
        ] {
            assert_eq!(check(&list(id, most, each)), Ok(()), "{what}");
            let why = check(&list(id, most + 1, each)).unwrap_err();
            assert!(why.starts_with("they have ") && why.contains(what), "{why}");
        }
        let elements = usize::try_from(MOST_ELEMENTS).unwrap();
        assert_eq!(check(&metadata(&vec![0; elements])), Ok(()));
        let why = check(&metadata(&vec![0; elements + 1])).unwrap_err();
        assert_eq!(why, "they have 16385 elements of a schema, and at most 16384 are read");
    }

    #[test]
    fn the_deep_and_the_endless_are_refused() {
        let deep = [&[2, 0].repeat(5000)[..], &[0]].concat();
        assert_eq!(check(&metadata(&deep)), Err("its types are more than 70 deep".to_owned()));
        let deep = [&[1].repeat(10_000)[..], &[0]].concat();
        assert!(check(&metadata(&deep)).is_err());
        let missing = metadata(&[3, 0, 0]);
        assert_eq!(check(&missing), Err("an element of the schema declares 3 children".to_owned()));
        let whole = metadata(&[1, 0]);
        assert_eq!(check(&whole[..whole.len() - 1]), Err("they end too early".to_owned()));
    }
}
