use bson::{Bson, doc};
use proptest::prelude::*;

use super::*;

proptest! {
    /// Numbers come in three types.
    #[test]
    fn sizes_are_read_in_whatever_type(size in 0..i32::MAX) {
        for value in [Bson::Int32(size), Bson::Int64(size.into()), Bson::Double(size.into())] {
            let told = told(&doc! {"size": value.clone(), "count": value}).unwrap();
            let size = u64::try_from(size).unwrap();
            prop_assert_eq!(told, Size { documents: size, bytes: size });
        }
    }
}

#[test]
fn what_is_no_size_is_none() {
    let odd = doc! {"a": -1, "b": "x", "c": f64::NAN, "d": -0.5, "e": Bson::Null};
    for name in ["a", "b", "c", "d", "e", "f"] {
        assert_eq!(number(&odd, name), 0, "{name}");
    }
    assert_eq!(told(&odd), None);
    assert_eq!(told(&doc! {"size": 0}), Some(Size::default()));
}
