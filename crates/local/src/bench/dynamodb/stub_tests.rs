//! The stub gives each page once, whole, and with a CRC that is right.

use serde_json::json;

use super::*;

#[test]
fn every_page_is_in_one_segment() {
    for segments in [1, 4, 16] {
        let mut seen = Vec::new();
        for segment in 0..segments {
            let mut from = Value::Null;
            loop {
                let input = json!({
                    "Segment": segment, "TotalSegments": segments, "ExclusiveStartKey": from,
                });
                let (number, next) = which(&input, 50).unwrap();
                seen.push(number);
                let Some(next) = next else { break };
                from = json!({"pk": {"S": next.to_string()}});
            }
        }
        assert_eq!(seen, (0..50).collect::<Vec<_>>());
    }
}

#[test]
fn a_key_of_another_segment_is_refused() {
    let input = json!({
        "Segment": 1, "TotalSegments": 2, "ExclusiveStartKey": {"pk": {"S": "3"}},
    });
    assert!(which(&input, 10).unwrap_err().to_string().contains("no page 3"));
}

#[tokio::test]
async fn an_answer_is_what_its_headers_say() {
    let pages = Pages::prepare(2).unwrap();
    for next in [Some(7), None] {
        let answer = pages.page(3).answer(next).unwrap();
        let header = |name| answer.headers()[name].to_str().unwrap().to_owned();
        let (length, crc) = (header("content-length"), header("x-amz-crc32"));
        let body = http::read(answer.into_body()).await.unwrap();
        assert_eq!(length, body.len().to_string());
        assert_eq!(crc, crc_fast::checksum(CrcAlgorithm::Crc32IsoHdlc, &body).to_string());
        let value: Value = serde_json::from_slice(&body).unwrap();
        let items = value["Items"].as_array().unwrap().len() as u64;
        assert_eq!((value["Count"].as_u64(), pages.page(1).totals.items), (Some(items), items));
        let key = next.map(|next| json!({"pk": {"S": next.to_string()}}));
        assert_eq!(value.get("LastEvaluatedKey"), key.as_ref());
        let units = value["ConsumedCapacity"]["CapacityUnits"].as_f64().unwrap();
        assert!((128.0..129.0).contains(&units), "{units}");
    }
}

#[test]
fn totals_are_those_of_the_pages_in_turn() {
    let pages = Pages::prepare(2).unwrap();
    let mut wanted = pages.totals(2);
    wanted.add(pages.page(0).totals);
    assert_eq!(pages.totals(3), wanted);
    assert!(wanted.counted >= 3 * PAGE && wanted.bytes > wanted.counted);
}
