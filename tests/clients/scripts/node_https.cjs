// A request by Node's own `https`, as programs write it by hand.
const https = require('node:https');

const headers = { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` };
https.get('https://api.openai.com/v1/models', { headers }, (answer) => {
  let text = '';
  answer.setEncoding('utf8').on('data', (piece) => (text += piece));
  answer.on('end', () => console.log(JSON.parse(text).data[0].id));
});
