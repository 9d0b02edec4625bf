// Anthropic's SDK as its README shows it: nothing is configured here.
const Anthropic = require('@anthropic-ai/sdk');

const ASK = {
  model: 'claude-fake',
  max_tokens: 100,
  messages: [{ role: 'user', content: 'Say hello' }],
};

(async () => {
  const client = new Anthropic();
  const answer = await client.messages.create(ASK);
  console.log('plain:', answer.content[0].text);

  let text = '';
  for await (const event of client.messages.stream(ASK)) {
    if (event.type !== 'content_block_delta') continue;
    // The rest of the stream comes after this only.
    if (text === '') await client.models.list();
    text += event.delta.text;
  }
  console.log('streamed:', text);
})();
