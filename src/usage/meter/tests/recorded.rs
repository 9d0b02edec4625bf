//! Answers as providers write them, each with the counts worked out by hand.

use crate::usage::meter::Shape;
use crate::usage::{Nano, Tokens};

pub(super) const JSON: &str = "application/json; charset=utf-8";
pub(super) const EVENTS: &str = "text/event-stream; charset=utf-8";
pub(super) const LINES: &str = "application/x-ndjson";

pub(super) struct Recorded {
    pub(super) name: &'static str,
    pub(super) shape: Shape,
    pub(super) provider: &'static str,
    pub(super) kind: &'static str,
    pub(super) body: &'static str,
    pub(super) model: Option<&'static str>,
    /// Input, cached, written, written for an hour, output, reasoning.
    pub(super) tokens: Option<[u64; 6]>,
    pub(super) cost: Option<i64>,
    pub(super) is_special: bool,
    /// What is known where the body ends right before this text.
    pub(super) cut: (&'static str, Option<[u64; 6]>),
}

pub(super) fn tokens(counts: [u64; 6]) -> Tokens {
    let [
        input,
        cached,
        cache_write,
        cache_write_long,
        output,
        reasoning,
    ] = counts;
    Tokens {
        input,
        cached,
        cache_write,
        cache_write_long,
        output,
        reasoning,
    }
}

impl Recorded {
    pub(super) fn said_cost(&self) -> Option<Nano> {
        self.cost.map(Nano)
    }
}

/// What most of them have in common.
const PLAIN: Recorded = Recorded {
    name: "",
    shape: Shape::OpenAi,
    provider: "openai",
    kind: JSON,
    body: "",
    model: None,
    tokens: None,
    cost: None,
    is_special: false,
    cut: ("", None),
};

pub(super) const ALL: &[Recorded] = &[
    Recorded {
        name: "chat completion",
        body: r#"{"id":"chatcmpl-FAKE","object":"chat.completion","created":1790000000,"model":"gpt-5.4-mini-2026-03-17","choices":[{"index":0,"message":{"role":"assistant","content":"Say \"usage\": {\"prompt_tokens\": 9} \\","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],"usage":{"prompt_tokens":1117,"completion_tokens":146,"total_tokens":1263,"prompt_tokens_details":{"cached_tokens":1024,"audio_tokens":0},"completion_tokens_details":{"reasoning_tokens":64,"audio_tokens":0,"accepted_prediction_tokens":0,"rejected_prediction_tokens":0}},"service_tier":"default","system_fingerprint":"fp_FAKE"}"#,
        model: Some("gpt-5.4-mini-2026-03-17"),
        tokens: Some([1117, 1024, 0, 0, 146, 64]),
        cut: (r#","total_tokens""#, Some([1117, 0, 0, 0, 146, 0])),
        ..PLAIN
    },
    Recorded {
        name: "chat completion that wrote to a cache",
        body: r#"{"model":"gpt-5.6","choices":[],"usage":{"prompt_tokens":3000,"completion_tokens":10,"total_tokens":3010,"prompt_tokens_details":{"cached_tokens":1000,"cache_write_tokens":1500}}}"#,
        model: Some("gpt-5.6"),
        tokens: Some([3000, 1000, 1500, 0, 10, 0]),
        cut: (r#","choices""#, None),
        ..PLAIN
    },
    Recorded {
        name: "stream of a chat completion",
        kind: EVENTS,
        body: "data: {\"id\":\"chatcmpl-FAKE\",\"object\":\"chat.completion.chunk\",\"model\":\"gpt-5.4\",\"service_tier\":\"auto\",\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}],\"usage\":null}\n\ndata: {\"id\":\"chatcmpl-FAKE\",\"model\":\"gpt-5.4\",\"service_tier\":\"default\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"data: [DONE]\\n\\n\"},\"finish_reason\":null}],\"usage\":null}\n\ndata: {\"id\":\"chatcmpl-FAKE\",\"model\":\"gpt-5.4\",\"choices\":[],\"usage\":{\"prompt_tokens\":21,\"completion_tokens\":13,\"total_tokens\":34,\"prompt_tokens_details\":{\"cached_tokens\":0},\"completion_tokens_details\":{\"reasoning_tokens\":5}}}\n\ndata: [DONE]\n\n",
        model: Some("gpt-5.4"),
        tokens: Some([21, 0, 0, 0, 13, 5]),
        cut: (
            "data: {\"id\":\"chatcmpl-FAKE\",\"model\":\"gpt-5.4\",\"choices\":[],",
            None,
        ),
        ..PLAIN
    },
    Recorded {
        name: "embeddings",
        body: r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[-0.0123,0.5,1e-7]}],"model":"text-embedding-3-small","usage":{"prompt_tokens":8,"total_tokens":8}}"#,
        model: Some("text-embedding-3-small"),
        tokens: Some([8, 0, 0, 0, 0, 0]),
        cut: (r#","usage""#, None),
        ..PLAIN
    },
    Recorded {
        name: "Responses",
        body: r#"{"id":"resp_FAKE","object":"response","status":"completed","model":"gpt-5.4","output":[{"type":"message","content":[{"type":"output_text","text":"hi"}]}],"service_tier":"default","usage":{"input_tokens":328,"input_tokens_details":{"cached_tokens":128,"cache_write_tokens":50},"output_tokens":52,"output_tokens_details":{"reasoning_tokens":32},"total_tokens":380},"user":null}"#,
        model: Some("gpt-5.4"),
        tokens: Some([328, 128, 50, 0, 52, 32]),
        cut: (
            r#","output_tokens_details""#,
            Some([328, 128, 50, 0, 52, 0]),
        ),
        ..PLAIN
    },
    Recorded {
        name: "stream of Responses",
        kind: EVENTS,
        body: "event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"resp_FAKE\",\"model\":\"gpt-5.4\",\"service_tier\":\"auto\",\"usage\":null}}\n\nevent: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"delta\":\"usage\"}\n\nevent: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"resp_FAKE\",\"model\":\"gpt-5.4\",\"service_tier\":\"default\",\"output\":[{\"content\":[{\"text\":\"{\\\"usage\\\":1}\"}]}],\"usage\":{\"input_tokens\":37,\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":11,\"output_tokens_details\":{\"reasoning_tokens\":0},\"total_tokens\":48}}}\n\n",
        model: Some("gpt-5.4"),
        tokens: Some([37, 0, 0, 0, 11, 0]),
        cut: ("event: response.completed", None),
        ..PLAIN
    },
    Recorded {
        name: "stream of Responses on a flexible tier, incomplete",
        provider: "openai-codex",
        kind: EVENTS,
        body: "data: {\"type\":\"response.created\",\"response\":{\"model\":\"gpt-5.4\",\"service_tier\":\"auto\"}}\n\ndata: {\"type\":\"response.incomplete\",\"response\":{\"model\":\"gpt-5.4\",\"service_tier\":\"flex\",\"usage\":{\"input_tokens\":9,\"output_tokens\":100,\"total_tokens\":109}}}\n\n",
        model: Some("gpt-5.4"),
        tokens: Some([9, 0, 0, 0, 100, 0]),
        is_special: true,
        cut: ("data: {\"type\":\"response.incomplete\"", None),
        ..PLAIN
    },
    Recorded {
        name: "chat completion with audio",
        body: r#"{"model":"gpt-audio","choices":[],"usage":{"prompt_tokens":50,"completion_tokens":80,"total_tokens":130,"prompt_tokens_details":{"audio_tokens":30,"cached_tokens":0},"completion_tokens_details":{"audio_tokens":60}}}"#,
        model: Some("gpt-audio"),
        tokens: Some([50, 0, 0, 0, 80, 0]),
        is_special: true,
        cut: (r#""choices""#, None),
        ..PLAIN
    },
    Recorded {
        name: "Groq, with its own member at the end of a stream",
        provider: "groq",
        kind: EVENTS,
        body: "data: {\"id\":\"chatcmpl-FAKE\",\"model\":\"llama-3.3-70b\",\"service_tier\":\"on_demand\",\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"x_groq\":{\"id\":\"req_FAKE\"}}\n\ndata: {\"id\":\"chatcmpl-FAKE\",\"model\":\"llama-3.3-70b\",\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}],\"x_groq\":{\"id\":\"req_FAKE\",\"usage\":{\"queue_time\":0.0175,\"prompt_tokens\":44,\"prompt_time\":0.002,\"completion_tokens\":7,\"completion_time\":0.02,\"total_tokens\":51,\"total_time\":0.03}}}\n\ndata: [DONE]\n\n",
        model: Some("llama-3.3-70b"),
        tokens: Some([44, 0, 0, 0, 7, 0]),
        cut: ("data: [DONE]", Some([44, 0, 0, 0, 7, 0])),
        ..PLAIN
    },
    Recorded {
        name: "DeepSeek",
        provider: "deepseek",
        body: r#"{"model":"deepseek-chat","choices":[],"usage":{"prompt_tokens":600,"completion_tokens":20,"total_tokens":620,"prompt_cache_hit_tokens":512,"prompt_cache_miss_tokens":88}}"#,
        model: Some("deepseek-chat"),
        tokens: Some([600, 512, 0, 0, 20, 0]),
        cut: (
            r#","prompt_cache_miss_tokens""#,
            Some([600, 512, 0, 0, 20, 0]),
        ),
        ..PLAIN
    },
    Recorded {
        name: "xAI, whose completion leaves reasoning out: 9 + 255",
        provider: "xai",
        body: r#"{"model":"grok-4","choices":[],"usage":{"prompt_tokens":32,"completion_tokens":9,"total_tokens":296,"prompt_tokens_details":{"cached_tokens":6},"completion_tokens_details":{"reasoning_tokens":255}}}"#,
        model: Some("grok-4"),
        tokens: Some([32, 6, 0, 0, 264, 255]),
        cut: (r#","choices""#, None),
        ..PLAIN
    },
    Recorded {
        name: "xAI where the total says that reasoning is in the output",
        provider: "xai",
        body: r#"{"model":"grok-4","usage":{"input_tokens":32,"output_tokens":264,"total_tokens":296,"output_tokens_details":{"reasoning_tokens":255}}}"#,
        model: Some("grok-4"),
        tokens: Some([32, 0, 0, 0, 264, 255]),
        cut: (r#","usage""#, None),
        ..PLAIN
    },
    Recorded {
        name: "OpenRouter, which says what it cost",
        provider: "openrouter",
        body: r#"{"model":"anthropic\/claude-opus-4.8","usage":{"prompt_tokens":194,"completion_tokens":2,"total_tokens":196,"cost":0.00095125,"is_byok":false,"cost_details":{"upstream_inference_cost":null}}}"#,
        model: Some("anthropic/claude-opus-4.8"),
        tokens: Some([194, 0, 0, 0, 2, 0]),
        cost: Some(951_250),
        cut: (r#","cost""#, Some([194, 0, 0, 0, 2, 0])),
        ..PLAIN
    },
    Recorded {
        name: "OpenRouter with the user's own key: its fee and the model's price",
        provider: "openrouter",
        body: r#"{"model":"m","usage":{"prompt_tokens":1,"completion_tokens":2,"cost":5e-5,"is_byok":true,"cost_details":{"upstream_inference_cost":0.001}}}"#,
        model: Some("m"),
        tokens: Some([1, 0, 0, 0, 2, 0]),
        cost: Some(1_050_000),
        cut: (r#","cost""#, Some([1, 0, 0, 0, 2, 0])),
        ..PLAIN
    },
    Recorded {
        name: "Perplexity, whose cost is an object",
        provider: "perplexity",
        body: r#"{"model":"sonar","usage":{"prompt_tokens":7,"completion_tokens":3,"total_tokens":10,"cost":{"input_tokens_cost":0.001,"total_cost":0.006}}}"#,
        model: Some("sonar"),
        tokens: Some([7, 0, 0, 0, 3, 0]),
        cost: Some(6_000_000),
        cut: (r#","cost""#, Some([7, 0, 0, 0, 3, 0])),
        ..PLAIN
    },
    Recorded {
        // 12 + 2000 read + 500 written, of which 300 for an hour.
        name: "Messages",
        shape: Shape::Anthropic,
        provider: "anthropic",
        body: r#"{"model":"claude-opus-4-8","id":"msg_FAKE","type":"message","role":"assistant","content":[{"type":"tool_use","id":"t","name":"n","input":{"usage":{"input_tokens":1},"model":"x"}}],"stop_reason":"tool_use","usage":{"input_tokens":12,"cache_creation_input_tokens":500,"cache_read_input_tokens":2000,"cache_creation":{"ephemeral_5m_input_tokens":200,"ephemeral_1h_input_tokens":300},"output_tokens":90,"output_tokens_details":{"thinking_tokens":40},"server_tool_use":{"web_search_requests":2},"service_tier":"standard","inference_geo":"not_available"}}"#,
        model: Some("claude-opus-4-8"),
        tokens: Some([2512, 2000, 200, 300, 90, 40]),
        cut: (
            r#","output_tokens_details""#,
            Some([2512, 2000, 200, 300, 90, 0]),
        ),
        ..PLAIN
    },
    Recorded {
        name: "stream of Messages, whose counts are sums already",
        shape: Shape::Anthropic,
        provider: "anthropic",
        kind: EVENTS,
        body: "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_FAKE\",\"type\":\"message\",\"model\":\"claude-opus-4-8\",\"content\":[],\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":1000,\"cache_creation\":{\"ephemeral_5m_input_tokens\":100,\"ephemeral_1h_input_tokens\":0},\"output_tokens\":1,\"service_tier\":\"standard\",\"inference_geo\":\"global\"}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\nevent: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"Hi\"}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":null},\"usage\":{\"output_tokens\":10}}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"input_tokens\":25,\"cache_creation_input_tokens\":100,\"cache_read_input_tokens\":1000,\"output_tokens\":15,\"output_tokens_details\":{\"thinking_tokens\":6}}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
        model: Some("claude-opus-4-8"),
        tokens: Some([1125, 1000, 100, 0, 15, 6]),
        cut: (
            "event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}",
            Some([1125, 1000, 100, 0, 10, 0]),
        ),
        ..PLAIN
    },
    Recorded {
        name: "Messages of a batch",
        shape: Shape::Anthropic,
        provider: "anthropic",
        body: r#"{"model":"claude-opus-4-8","usage":{"input_tokens":12,"output_tokens":9,"service_tier":"batch"}}"#,
        model: Some("claude-opus-4-8"),
        tokens: Some([12, 0, 0, 0, 9, 0]),
        is_special: true,
        cut: (r#","output_tokens""#, Some([12, 0, 0, 0, 0, 0])),
        ..PLAIN
    },
    Recorded {
        name: "Messages in a region at a surcharge",
        shape: Shape::Anthropic,
        provider: "anthropic",
        body: r#"{"model":"claude-opus-4-8","usage":{"input_tokens":12,"output_tokens":9,"service_tier":"standard","inference_geo":"us"}}"#,
        model: Some("claude-opus-4-8"),
        tokens: Some([12, 0, 0, 0, 9, 0]),
        is_special: true,
        cut: (r#","usage""#, None),
        ..PLAIN
    },
    Recorded {
        name: "Anthropic's chat completions",
        shape: Shape::Anthropic,
        provider: "anthropic",
        body: r#"{"model":"claude-opus-4-8","choices":[],"usage":{"prompt_tokens":14,"completion_tokens":6,"total_tokens":20}}"#,
        model: Some("claude-opus-4-8"),
        tokens: Some([14, 0, 0, 0, 6, 0]),
        cut: (r#","choices""#, None),
        ..PLAIN
    },
    Recorded {
        // 30 + 11 for tools; 20 + 120 of thoughts.
        name: "Gemini",
        shape: Shape::Gemini,
        provider: "google-gemini",
        body: r#"{"candidates":[{"content":{"parts":[{"functionCall":{"name":"f","args":{"finishReason":"x","usageMetadata":{"promptTokenCount":1}}}}],"role":"model"},"finishReason":"STOP","index":0}],"usageMetadata":{"promptTokenCount":30,"cachedContentTokenCount":16,"candidatesTokenCount":20,"thoughtsTokenCount":120,"toolUsePromptTokenCount":11,"totalTokenCount":181,"promptTokensDetails":[{"modality":"TEXT","tokenCount":20},{"modality":"VIDEO","tokenCount":10}],"cacheTokensDetails":[{"modality":"TEXT","tokenCount":16}],"candidatesTokensDetails":[{"modality":"TEXT","tokenCount":20}]},"modelVersion":"gemini-2.5-flash","responseId":"FAKE"}"#,
        model: Some("gemini-2.5-flash"),
        tokens: Some([41, 16, 0, 0, 140, 120]),
        cut: (r#","thoughtsTokenCount""#, Some([30, 16, 0, 0, 20, 0])),
        ..PLAIN
    },
    Recorded {
        name: "stream of Gemini",
        shape: Shape::Gemini,
        provider: "google-gemini",
        kind: EVENTS,
        body: "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Hel\"}]}}],\"usageMetadata\": {\"promptTokenCount\": 8,\"totalTokenCount\": 60,\"thoughtsTokenCount\": 52,\"promptTokensDetails\": [{\"modality\": \"TEXT\",\"tokenCount\": 8}]},\"modelVersion\": \"gemini-3-pro-preview\"}\r\n\r\ndata: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"lo\"}]},\"finishReason\": \"STOP\"}],\"usageMetadata\": {\"promptTokenCount\": 8,\"candidatesTokenCount\": 2,\"totalTokenCount\": 62,\"thoughtsTokenCount\": 52},\"modelVersion\": \"gemini-3-pro-preview\"}\r\n\r\n",
        model: Some("gemini-3-pro-preview"),
        tokens: Some([8, 0, 0, 0, 54, 52]),
        cut: (
            "data: {\"candidates\": [{\"content\": {\"parts\": [{\"text\": \"lo\"}]}",
            Some([8, 0, 0, 0, 52, 52]),
        ),
        ..PLAIN
    },
    Recorded {
        name: "stream of Gemini as a list",
        shape: Shape::Gemini,
        provider: "google-gemini",
        body: "[{\n  \"candidates\": [{\"content\": {\"parts\": [{\"text\": \"Hel\"}]}}],\n  \"usageMetadata\": {\"promptTokenCount\": 8, \"totalTokenCount\": 8},\n  \"modelVersion\": \"gemini-2.5-flash\"\n}\n,\r\n{\n  \"candidates\": [{\"finishReason\": \"STOP\"}],\n  \"usageMetadata\": {\"promptTokenCount\": 8, \"candidatesTokenCount\": 2},\n  \"modelVersion\": \"gemini-2.5-flash\"\n}\n]\n",
        model: Some("gemini-2.5-flash"),
        tokens: Some([8, 0, 0, 0, 2, 0]),
        cut: (",\r\n", Some([8, 0, 0, 0, 0, 0])),
        ..PLAIN
    },
    Recorded {
        name: "Gemini refused a prompt",
        shape: Shape::Gemini,
        provider: "google-gemini",
        kind: EVENTS,
        body: "data: {\"promptFeedback\":{\"blockReason\":\"PROHIBITED_CONTENT\"},\"usageMetadata\":{\"promptTokenCount\":8,\"totalTokenCount\":8},\"modelVersion\":\"gemini-2.5-flash\"}\n\n",
        model: Some("gemini-2.5-flash"),
        tokens: Some([8, 0, 0, 0, 0, 0]),
        cut: ("\"usageMetadata\"", None),
        ..PLAIN
    },
    Recorded {
        name: "Gemini heard something",
        shape: Shape::Gemini,
        provider: "google-gemini",
        body: r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":40,"candidatesTokenCount":2,"promptTokensDetails":[{"modality":"TEXT","tokenCount":8},{"tokenCount":32,"modality":"AUDIO"}]}}"#,
        tokens: Some([40, 0, 0, 0, 2, 0]),
        is_special: true,
        cut: (r#","candidatesTokenCount""#, Some([40, 0, 0, 0, 0, 0])),
        ..PLAIN
    },
    Recorded {
        name: "Gemini drew something",
        shape: Shape::Gemini,
        provider: "google-gemini",
        body: r#"{"candidates":[{"finishReason":"STOP"}],"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":1290,"candidatesTokensDetails":[{"modality":"IMAGE","tokenCount":1290}]}}"#,
        tokens: Some([4, 0, 0, 0, 1290, 0]),
        is_special: true,
        cut: (r#","candidatesTokenCount""#, Some([4, 0, 0, 0, 0, 0])),
        ..PLAIN
    },
    Recorded {
        // 10 of thoughts stand in the total only.
        name: "Gemini's chat completions",
        shape: Shape::Gemini,
        provider: "google-gemini",
        body: r#"{"choices":[],"model":"gemini-2.5-flash","usage":{"completion_tokens":5,"prompt_tokens":7,"total_tokens":22}}"#,
        model: Some("gemini-2.5-flash"),
        tokens: Some([7, 0, 0, 0, 15, 10]),
        cut: (r#","usage""#, None),
        ..PLAIN
    },
    Recorded {
        name: "Mistral",
        shape: Shape::Mistral,
        provider: "mistral",
        body: r#"{"id":"FAKE","object":"chat.completion","model":"mistral-large-latest","usage":{"prompt_tokens":64,"total_tokens":84,"completion_tokens":20,"prompt_tokens_details":{"cached_tokens":32},"completion_tokens_details":{"reasoning_tokens":4}},"choices":[]}"#,
        model: Some("mistral-large-latest"),
        tokens: Some([64, 32, 0, 0, 20, 4]),
        cut: (r#","prompt_tokens_details""#, Some([64, 0, 0, 0, 20, 0])),
        ..PLAIN
    },
    Recorded {
        name: "stream of Mistral",
        shape: Shape::Mistral,
        provider: "mistral",
        kind: EVENTS,
        body: "data: {\"id\":\"FAKE\",\"model\":\"mistral-small\",\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\ndata: {\"id\":\"FAKE\",\"model\":\"mistral-small\",\"choices\":[{\"delta\":{\"content\":\"\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":5,\"total_tokens\":7,\"completion_tokens\":2}}\n\ndata: [DONE]\n\n",
        model: Some("mistral-small"),
        tokens: Some([5, 0, 0, 0, 2, 0]),
        cut: (
            "data: {\"id\":\"FAKE\",\"model\":\"mistral-small\",\"choices\":[{\"delta\":{\"content\":\"\"}",
            None,
        ),
        ..PLAIN
    },
    Recorded {
        name: "Cohere, where what is billed comes before what was counted",
        shape: Shape::Cohere,
        provider: "cohere",
        body: r#"{"id":"FAKE","finish_reason":"COMPLETE","message":{"role":"assistant","content":[{"type":"text","text":"hi"}]},"usage":{"billed_units":{"input_tokens":5,"output_tokens":41.0},"tokens":{"input_tokens":71,"output_tokens":43},"cached_tokens":2}}"#,
        tokens: Some([5, 2, 0, 0, 41, 0]),
        cut: (r#","cached_tokens""#, Some([5, 0, 0, 0, 41, 0])),
        ..PLAIN
    },
    Recorded {
        name: "stream of Cohere",
        shape: Shape::Cohere,
        provider: "cohere",
        kind: EVENTS,
        body: "event: message-start\ndata: {\"id\":\"FAKE\",\"type\":\"message-start\",\"delta\":{\"message\":{\"role\":\"assistant\"}}}\n\nevent: content-delta\ndata: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"hi\"}}}}\n\nevent: message-end\ndata: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\",\"usage\":{\"tokens\":{\"input_tokens\":71,\"output_tokens\":43},\"billed_units\":{\"input_tokens\":5,\"output_tokens\":41}}}}\n\n",
        tokens: Some([5, 0, 0, 0, 41, 0]),
        cut: (",\"billed_units\"", Some([71, 0, 0, 0, 43, 0])),
        ..PLAIN
    },
    Recorded {
        name: "Cohere's embeddings",
        shape: Shape::Cohere,
        provider: "cohere",
        body: r#"{"id":"FAKE","embeddings":{"float":[[0.1,0.2]]},"texts":["a"],"meta":{"api_version":{"version":"2"},"billed_units":{"input_tokens":3}},"response_type":"embeddings_by_type"}"#,
        tokens: Some([3, 0, 0, 0, 0, 0]),
        cut: (r#","meta""#, None),
        ..PLAIN
    },
    Recorded {
        name: "Ollama",
        shape: Shape::Ollama,
        provider: "ollama",
        body: r#"{"model":"llama3.2","created_at":"2026-08-04T19:22:45Z","message":{"role":"assistant","content":"Hi"},"done":true,"done_reason":"stop","total_duration":4883583458,"load_duration":1334875,"prompt_eval_count":26,"prompt_eval_duration":342546000,"eval_count":282,"eval_duration":4535599000}"#,
        model: Some("llama3.2"),
        tokens: Some([26, 0, 0, 0, 282, 0]),
        cut: (r#","eval_count""#, Some([26, 0, 0, 0, 0, 0])),
        ..PLAIN
    },
    Recorded {
        name: "stream of Ollama",
        shape: Shape::Ollama,
        provider: "ollama",
        kind: LINES,
        body: "{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"The\"},\"done\":false}\n{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\" sky\"},\"done\":false}\n{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true,\"prompt_eval_count\":26,\"eval_count\":2}\n",
        model: Some("llama3.2"),
        tokens: Some([26, 0, 0, 0, 2, 0]),
        cut: (
            "{\"model\":\"llama3.2\",\"message\":{\"role\":\"assistant\",\"content\":\"\"}",
            None,
        ),
        ..PLAIN
    },
    Recorded {
        name: "Ollama's chat completions",
        shape: Shape::Ollama,
        provider: "ollama",
        kind: EVENTS,
        body: "data: {\"model\":\"llama3.2\",\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":4,\"total_tokens\":15}}\n\ndata: [DONE]\n\n",
        model: Some("llama3.2"),
        tokens: Some([11, 0, 0, 0, 4, 0]),
        cut: ("data: [DONE]", Some([11, 0, 0, 0, 4, 0])),
        ..PLAIN
    },
];
