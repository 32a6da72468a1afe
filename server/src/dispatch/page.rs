//! LISTs that a policy bounds (`pagination_limit`): no answer has more keys than that, whether its
//! handler knows pages or not.

use serde_json::Value;

use crate::logical::{ApiError, ApiResult, Json, Response};

/// The answer with `max` keys at the most, and of `key_info` what belongs to them.
pub(super) fn cut(mut answer: Response, max: Option<usize>) -> ApiResult<Response> {
    let (Some(max), Some(data)) = (max, &answer.data) else { return Ok(answer) };
    let mut data: Value = serde_json::from_str(data.get()).map_err(ApiError::internal)?;
    let Some(keys) = data.get_mut("keys").and_then(Value::as_array_mut) else { return Ok(answer) };
    if keys.len() <= max {
        return Ok(answer);
    }
    let gone = keys.split_off(max);
    if let Some(info) = data.get_mut("key_info").and_then(Value::as_object_mut) {
        info.retain(|name, _| !gone.iter().any(|key| key == name));
    }
    answer.data = Some(Json::of(&data).map_err(ApiError::internal)?);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_beyond_the_bound_are_gone_with_what_is_told_of_them() {
        let all = json!({"keys": ["a", "b", "c"], "key_info": {"a": 1, "b": 2, "c": 3}});
        let cut = |max| {
            let answer = cut(Response::data(&all).unwrap(), max).unwrap();
            serde_json::from_str::<Value>(answer.data.unwrap().get()).unwrap()
        };
        assert_eq!((cut(None), cut(Some(3))), (all.clone(), all.clone()));
        assert_eq!(cut(Some(1)), json!({"keys": ["a"], "key_info": {"a": 1}}));
    }
}
