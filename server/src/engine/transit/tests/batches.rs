//! Batches of messages: encrypted, decrypted and rewrapped.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::crypt::KINDS;
use super::{b64, text, with_key};
use crate::logical::Operation::Write;

#[test]
fn a_batch_answers_every_item_in_order() {
    let mut transit = with_key(json!({}));
    let p = b64("x");
    let items = json!([
        {"plaintext": p, "reference": "r1"},
        {"plaintext": "!!", "reference": "r2"},
        {"plaintext": p, "key_version": 9},
        {"reference": "r4"},
        {"plaintext": ""},
    ]);
    let (status, answer) = transit.answer(Write, "encrypt/k", json!({"batch_input": items}));
    assert_eq!(status, 400);
    let results = answer["batch_results"].as_array().unwrap();
    assert_eq!(results.len(), 5);
    assert_eq!((&results[0]["reference"], &results[0]["key_version"]), (&json!("r1"), &json!(1)));
    assert_eq!(
        results[1],
        json!({"error": "illegal base64 data at input byte 0", "reference": "r2"})
    );
    assert!(text(&results[2]["error"]).contains("higher than the latest"));
    assert_eq!(results[3]["error"], "missing plaintext to encrypt");
    assert!(results[4]["ciphertext"].is_string());
    for (code, want) in [(json!(299), 299), (json!("200"), 200), (json!(0), 400)] {
        let body = json!({"batch_input": items, "partial_failure_response_code": code});
        assert_eq!(transit.status(Write, "encrypt/k", body), want);
    }
    let all_bad =
        json!({"batch_input": [{"plaintext": "!!"}], "partial_failure_response_code": 200});
    assert_eq!(transit.status(Write, "encrypt/k", all_bad), 400);

    let items = json!([
        {"ciphertext": results[0]["ciphertext"], "reference": "q"},
        {"ciphertext": "junk"},
        {"ciphertext": results[4]["ciphertext"]},
    ]);
    let (status, answer) = transit.answer(Write, "decrypt/k", json!({"batch_input": items}));
    assert_eq!(status, 400);
    assert_eq!(
        answer["batch_results"],
        json!([
            {"plaintext": p, "reference": "q"},
            {"plaintext": "", "error": "invalid ciphertext: no prefix", "reference": ""},
            {"plaintext": "", "reference": ""},
        ])
    );
    let (status, answer) = transit.answer(Write, "rewrap/k", json!({"batch_input": items}));
    assert_eq!(
        (status, &answer["batch_results"][1]["error"]),
        (200, &json!("invalid ciphertext: no prefix"))
    );
    assert_eq!(answer["batch_results"][0]["reference"], "q");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn batches_round_trip(
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..20),
        derived in any::<bool>(),
        kind in prop::sample::select(KINDS),
    ) {
        let mut transit = with_key(json!({"type": kind, "derived": derived}));
        let context = b64("c");
        let items: Vec<Value> = messages
            .iter()
            .map(|m| json!({"plaintext": b64(m), "context": context}))
            .collect();
        let sealed = transit.ok(Write, "encrypt/k", json!({"batch_input": items}));
        transit.ok(Write, "keys/k/rotate", json!({}));
        let items: Vec<Value> = sealed["batch_results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| json!({"ciphertext": r["ciphertext"], "context": context}))
            .collect();
        let newer = transit.ok(Write, "rewrap/k", json!({"batch_input": items}));
        let newer: Vec<Value> = newer["batch_results"]
            .as_array()
            .unwrap()
            .iter()
            .map(|r| json!({"ciphertext": r["ciphertext"], "context": context}))
            .collect();
        for items in [items, newer] {
            let opened = transit.ok(Write, "decrypt/k", json!({"batch_input": items}));
            for (result, message) in std::iter::zip(opened["batch_results"].as_array().unwrap(), &messages) {
                prop_assert_eq!(&result["plaintext"], &json!(b64(message)));
            }
        }
    }
}
