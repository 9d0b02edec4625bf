// OpenAI's SDK as its README shows it: nothing is configured here.
const OpenAI = require('openai');

const ASK = { model: 'gpt-fake', messages: [{ role: 'user', content: 'Say hello' }] };

(async () => {
  const client = new OpenAI();
  const answer = await client.chat.completions.create(ASK);
  console.log('plain:', answer.choices[0].message.content);

  let text = '';
  for await (const chunk of await client.chat.completions.create({ stream: true, ...ASK })) {
    // The rest of the stream comes after this only.
    if (text === '') await client.models.list();
    text += chunk.choices[0].delta.content ?? '';
  }
  console.log('streamed:', text);
})();
