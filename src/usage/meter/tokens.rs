//! From each dialect's counts to [`Tokens`], whose parts are in their whole.

use super::said::Said;
use super::tree::Count;
use super::{Dialect, Shape};
use crate::usage::Tokens;

/// What the counts of an answer come to.
pub(super) fn tokens(said: &Said, dialect: Dialect) -> Option<Tokens> {
    let chat = || chat(said, dialect);
    let messages = || messages(said, dialect);
    let tokens = match dialect.shape {
        Shape::Anthropic => messages().or_else(chat),
        Shape::Gemini => gemini(said).or_else(chat).or_else(messages),
        Shape::Cohere => cohere(said).or_else(chat).or_else(messages),
        Shape::Ollama => ollama(said).or_else(chat).or_else(messages),
        Shape::OpenAi | Shape::Mistral => chat().or_else(messages),
    };
    tokens
        .or_else(|| gemini(said))
        .or_else(|| cohere(said))
        .or_else(|| ollama(said))
        .map(consistent)
}

/// Chat completions: parts are in their totals, nearly everywhere.
fn chat(said: &Said, dialect: Dialect) -> Option<Tokens> {
    let count = |which| said.count(which);
    let (prompt, completion) = (count(Count::Prompt), count(Count::Completion));
    prompt.or(completion)?;
    let (input, completion) = (prompt.unwrap_or(0), completion.unwrap_or(0));
    let reported = count(Count::Reasoning).unwrap_or(0);
    let (output, mut reasoning) = with_reasoning(said, input, completion, dialect);
    let mut output = output;
    // Gemini's thoughts are in the total of its chat completions and nowhere
    // else.
    if dialect.shape == Shape::Gemini && reported == 0 {
        let total = count(Count::Total).unwrap_or(0);
        let thoughts = total.saturating_sub(input + output);
        output += thoughts;
        reasoning = thoughts;
    }
    Some(Tokens {
        input,
        cached: count(Count::Cached)
            .or(count(Count::CacheHit))
            .or(count(Count::CachedBeside))
            .or(count(Count::CacheRead))
            .unwrap_or(0),
        cache_write: count(Count::CacheWrite)
            .or(count(Count::CacheCreation))
            .unwrap_or(0),
        cache_write_long: 0,
        output,
        reasoning,
    })
}

/// Output and the reasoning in it, where a provider (xAI) counts reasoning
/// beside what it completes. The total, where there is one, tells whether it
/// does so here too.
fn with_reasoning(said: &Said, input: u64, output: u64, dialect: Dialect) -> (u64, u64) {
    let reasoning = said.count(Count::Reasoning).unwrap_or(0);
    let is_in_output = said.count(Count::Total) == Some(input + output);
    if dialect.is_reasoning_apart && !is_in_output {
        (output + reasoning, reasoning)
    } else {
        (output, reasoning)
    }
}

/// Responses, and Messages, whose input leaves out what went through a cache.
fn messages(said: &Said, dialect: Dialect) -> Option<Tokens> {
    let count = |which| said.count(which);
    let (read, created) = (count(Count::CacheRead), count(Count::CacheCreation));
    let (short, long) = (count(Count::Write5m), count(Count::Write1h));
    let (input, output) = (count(Count::Input), count(Count::Output));
    let is_cache_named = read.or(created).or(short).or(long).is_some();
    if input.or(output).is_none() && !is_cache_named {
        return None;
    }
    let (input, output) = (input.unwrap_or(0), output.unwrap_or(0));
    let cached = count(Count::Cached);
    let is_left_out = is_cache_named && (cached.is_none() || dialect.shape == Shape::Anthropic);
    if !is_left_out {
        let (output, reasoning) = with_reasoning(said, input, output, dialect);
        return Some(Tokens {
            input,
            cached: cached.or(count(Count::CachedBeside)).unwrap_or(0),
            cache_write: count(Count::CacheWrite).unwrap_or(0),
            cache_write_long: 0,
            output,
            reasoning,
        });
    }
    let (read, long) = (read.unwrap_or(0), long.unwrap_or(0));
    let written = created.unwrap_or(0).max(short.unwrap_or(0) + long);
    Some(Tokens {
        input: input + read + written,
        cached: read,
        cache_write: written - long,
        cache_write_long: long,
        output,
        reasoning: count(Count::Reasoning).unwrap_or(0),
    })
}

fn gemini(said: &Said) -> Option<Tokens> {
    let count = |which| said.count(which);
    let (prompt, tools) = (count(Count::GeminiPrompt), count(Count::GeminiTools));
    let candidates = count(Count::GeminiCandidates);
    let thoughts = count(Count::GeminiThoughts);
    prompt.or(tools).or(candidates).or(thoughts)?;
    let thoughts = thoughts.unwrap_or(0);
    Some(Tokens {
        input: prompt.unwrap_or(0) + tools.unwrap_or(0),
        cached: count(Count::GeminiCached).unwrap_or(0),
        output: candidates.unwrap_or(0) + thoughts,
        reasoning: thoughts,
        ..Tokens::default()
    })
}

/// What is billed, before what was counted.
fn cohere(said: &Said) -> Option<Tokens> {
    let count = |which| said.count(which);
    let input = count(Count::BilledInput).or(count(Count::UnbilledInput));
    let output = count(Count::BilledOutput).or(count(Count::UnbilledOutput));
    input.or(output)?;
    Some(Tokens {
        input: input.unwrap_or(0),
        cached: count(Count::CachedBeside).unwrap_or(0),
        output: output.unwrap_or(0),
        ..Tokens::default()
    })
}

fn ollama(said: &Said) -> Option<Tokens> {
    let (input, output) = (said.count(Count::PromptEval), said.count(Count::Eval));
    input.or(output)?;
    Some(Tokens {
        input: input.unwrap_or(0),
        output: output.unwrap_or(0),
        ..Tokens::default()
    })
}

/// A part is never more than its whole, whatever was said.
fn consistent(tokens: Tokens) -> Tokens {
    let cached = tokens.cached.min(tokens.input);
    let cache_write_long = tokens.cache_write_long.min(tokens.input - cached);
    let rest = tokens.input - cached - cache_write_long;
    Tokens {
        cached,
        cache_write_long,
        cache_write: tokens.cache_write.min(rest),
        reasoning: tokens.reasoning.min(tokens.output),
        ..tokens
    }
}
