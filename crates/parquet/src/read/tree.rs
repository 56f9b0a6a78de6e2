//! The tree of a schema, looked at before it is built.
//!
//! It comes as a list, in which each element says how many children follow. The decoder takes
//! that for granted, and goes down as deep as it is told.

use super::thrift::{I16, I64, STRUCT, Thrift, Trouble};

/// How deep types may be within types, the root counted too.
const DEEPEST: usize = 70;
/// Structures and lists within others in metadata.
const NESTED: u32 = 32;

/// Refuses metadata whose schema is too deep, or has fewer elements than it says.
pub(super) fn check(metadata: &[u8]) -> Result<(), String> {
    walk(&mut Thrift::new(metadata, NESTED)).map_err(|trouble| match trouble {
        Trouble::Short => "they end too early".to_owned(),
        Trouble::Broken(why) => why,
    })
}

fn walk(thrift: &mut Thrift<'_>) -> Result<(), Trouble> {
    let mut last = 0;
    while let Some((id, wire)) = thrift.field(&mut last)? {
        if id == 2 {
            schema(thrift)?;
        } else {
            thrift.skip(wire)?;
        }
    }
    Ok(())
}

fn schema(thrift: &mut Thrift<'_>) -> Result<(), Trouble> {
    let (size, wire) = thrift.list()?;
    if wire != STRUCT {
        return Err(Trouble::Broken(format!("the schema is a list of type {wire}")));
    }
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

    #[test]
    fn the_deep_and_the_endless_are_refused() {
        let deep = [&[2, 0].repeat(100_000)[..], &[0]].concat();
        assert_eq!(check(&metadata(&deep)), Err("its types are more than 70 deep".to_owned()));
        let deep = [&[1].repeat(100_000)[..], &[0]].concat();
        assert!(check(&metadata(&deep)).is_err());
        let missing = metadata(&[3, 0, 0]);
        assert_eq!(check(&missing), Err("an element of the schema declares 3 children".to_owned()));
        let whole = metadata(&[1, 0]);
        assert_eq!(check(&whole[..whole.len() - 1]), Err("they end too early".to_owned()));
    }
}
