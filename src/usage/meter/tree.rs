//! Where in an answer something is said about tokens, in every dialect at
//! once: no two of them give one name in one place two meanings.
//!
//! Only what stands in these places is believed. What a model writes, its
//! arguments for tools included, stands deeper or beside them.

use Count as C;
use Place as P;

/// An object, or a list of objects, in which something is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// The answer, one event or one line of it.
    Root,
    /// `response`: the whole answer within an event.
    Response,
    /// `message` of Anthropic's first event, `session` of a socket.
    Message,
    /// `x_groq`, and `delta` of Cohere's last event.
    Around,
    Usage,
    InputDetails,
    OutputDetails,
    CacheCreation,
    Cost,
    CostDetails,
    /// `meta`: where Cohere counts what is no chat.
    Meta,
    Billed,
    Unbilled,
    /// `usageMetadata`.
    Metadata,
    ModalitiesIn,
    ModalitiesOut,
    Candidates,
    /// `promptFeedback`: the whole answer where a prompt was refused.
    Feedback,
}

/// A count, by where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    // Chat completions.
    Prompt,
    Completion,
    Total,
    CacheHit,
    // Responses and Messages.
    Input,
    Output,
    // In the details of both.
    Cached,
    CacheWrite,
    Reasoning,
    // Messages.
    CacheRead,
    CacheCreation,
    Write5m,
    Write1h,
    // `cached_tokens` beside the totals.
    CachedBeside,
    // Cohere.
    BilledInput,
    BilledOutput,
    UnbilledInput,
    UnbilledOutput,
    // Gemini.
    GeminiPrompt,
    GeminiCached,
    GeminiCandidates,
    GeminiThoughts,
    GeminiTools,
    // Ollama.
    PromptEval,
    Eval,
}

impl Count {
    pub(super) const ALL: usize = Self::Eval as usize + 1;
}

/// A value that is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Count(Count),
    Model,
    /// `type`, which tells the last event and what a socket's message is.
    Type,
    /// `finishReason` and `blockReason`: Gemini's stream says no other end.
    Reason,
    /// `done` and `is_finished`.
    Done,
    /// An element of a list that is the whole of an event: `[DONE]`.
    Mark,
    /// What may make this cost something else, as a word.
    Term(Term),
    /// Tokens at another price, in input and in output.
    OtherPrice,
    Modality,
    ModalityCount,
    Cost,
    UpstreamCost,
    IsByok,
}

/// Words that change a price; the last of each counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Term {
    Tier,
    Region,
    Speed,
    Traffic,
}

/// What is done with a member's value: `into` where it is an object or a list
/// of objects, `take` where it is a text, a number or a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) into: Option<Place>,
    pub(super) take: Option<Leaf>,
}

const OVER: Step = Step {
    into: None,
    take: None,
};

const fn into(place: Place) -> Step {
    Step {
        into: Some(place),
        take: None,
    }
}

const fn take(leaf: Leaf) -> Step {
    Step {
        into: None,
        take: Some(leaf),
    }
}

const fn count(count: Count) -> Step {
    take(Leaf::Count(count))
}

impl Step {
    /// For a value outside of every object.
    pub(super) const ROOT: Self = into(P::Root);

    /// For an element of a list of such places.
    pub(super) fn element(place: Place) -> Self {
        Self {
            into: Some(place),
            take: (place == P::Root).then_some(Leaf::Mark),
        }
    }

    /// For the member of this name. A name written with escapes is not known:
    /// nobody writes these so.
    pub(super) fn member(place: Place, name: &[u8]) -> Self {
        match place {
            P::Root => root(name),
            P::Response => response(name),
            P::Message => match name {
                b"usage" => into(P::Usage),
                b"model" => take(Leaf::Model),
                _ => OVER,
            },
            P::Around => match name {
                b"usage" => into(P::Usage),
                _ => OVER,
            },
            P::Usage => usage(name),
            P::InputDetails => match name {
                b"cached_tokens" => count(C::Cached),
                b"cache_write_tokens" => count(C::CacheWrite),
                b"audio_tokens" => take(Leaf::OtherPrice),
                _ => OVER,
            },
            P::OutputDetails => match name {
                b"reasoning_tokens" | b"thinking_tokens" => count(C::Reasoning),
                b"audio_tokens" | b"image_tokens" => take(Leaf::OtherPrice),
                _ => OVER,
            },
            P::CacheCreation => match name {
                b"ephemeral_5m_input_tokens" => count(C::Write5m),
                b"ephemeral_1h_input_tokens" => count(C::Write1h),
                _ => OVER,
            },
            P::Cost => match name {
                b"total_cost" => take(Leaf::Cost),
                _ => OVER,
            },
            P::CostDetails => match name {
                b"upstream_inference_cost" => take(Leaf::UpstreamCost),
                _ => OVER,
            },
            P::Meta => cohere(name),
            P::Billed => match name {
                b"input_tokens" => count(C::BilledInput),
                b"output_tokens" => count(C::BilledOutput),
                _ => OVER,
            },
            P::Unbilled => match name {
                b"input_tokens" => count(C::UnbilledInput),
                b"output_tokens" => count(C::UnbilledOutput),
                _ => OVER,
            },
            P::Metadata => metadata(name),
            P::ModalitiesIn | P::ModalitiesOut => match name {
                b"modality" => take(Leaf::Modality),
                b"tokenCount" => take(Leaf::ModalityCount),
                _ => OVER,
            },
            P::Candidates => match name {
                b"finishReason" => take(Leaf::Reason),
                _ => OVER,
            },
            P::Feedback => match name {
                b"blockReason" => take(Leaf::Reason),
                _ => OVER,
            },
        }
    }
}

fn root(name: &[u8]) -> Step {
    match name {
        b"type" => take(Leaf::Type),
        b"response" => into(P::Response),
        b"message" | b"session" => into(P::Message),
        b"delta" | b"x_groq" => into(P::Around),
        b"prompt_eval_count" => count(C::PromptEval),
        b"eval_count" => count(C::Eval),
        b"done" | b"is_finished" => take(Leaf::Done),
        _ => response(name),
    }
}

fn response(name: &[u8]) -> Step {
    match name {
        b"usage" => into(P::Usage),
        b"model" | b"modelVersion" => take(Leaf::Model),
        b"service_tier" => take(Leaf::Term(Term::Tier)),
        b"usageMetadata" => into(P::Metadata),
        b"candidates" => into(P::Candidates),
        b"promptFeedback" => into(P::Feedback),
        b"meta" => into(P::Meta),
        _ => OVER,
    }
}

fn usage(name: &[u8]) -> Step {
    match name {
        b"prompt_tokens" => count(C::Prompt),
        b"completion_tokens" => count(C::Completion),
        b"total_tokens" => count(C::Total),
        b"input_tokens" => count(C::Input),
        b"output_tokens" => count(C::Output),
        b"prompt_tokens_details" | b"input_tokens_details" | b"input_token_details" => {
            into(P::InputDetails)
        }
        b"completion_tokens_details" | b"output_tokens_details" | b"output_token_details" => {
            into(P::OutputDetails)
        }
        b"cache_read_input_tokens" => count(C::CacheRead),
        b"cache_creation_input_tokens" => count(C::CacheCreation),
        b"cache_creation" => into(P::CacheCreation),
        b"prompt_cache_hit_tokens" => count(C::CacheHit),
        b"service_tier" => take(Leaf::Term(Term::Tier)),
        b"inference_geo" => take(Leaf::Term(Term::Region)),
        b"speed" => take(Leaf::Term(Term::Speed)),
        b"cost" => Step {
            into: Some(P::Cost),
            take: Some(Leaf::Cost),
        },
        b"cost_details" => into(P::CostDetails),
        b"is_byok" => take(Leaf::IsByok),
        _ => cohere(name),
    }
}

fn cohere(name: &[u8]) -> Step {
    match name {
        b"billed_units" => into(P::Billed),
        b"tokens" => into(P::Unbilled),
        b"cached_tokens" => count(C::CachedBeside),
        _ => OVER,
    }
}

fn metadata(name: &[u8]) -> Step {
    match name {
        b"promptTokenCount" => count(C::GeminiPrompt),
        b"cachedContentTokenCount" => count(C::GeminiCached),
        b"candidatesTokenCount" => count(C::GeminiCandidates),
        b"thoughtsTokenCount" => count(C::GeminiThoughts),
        b"toolUsePromptTokenCount" => count(C::GeminiTools),
        b"promptTokensDetails" | b"cacheTokensDetails" | b"toolUsePromptTokensDetails" => {
            into(P::ModalitiesIn)
        }
        b"candidatesTokensDetails" => into(P::ModalitiesOut),
        b"trafficType" => take(Leaf::Term(Term::Traffic)),
        _ => OVER,
    }
}
