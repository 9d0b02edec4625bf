// The `ws` package: it knows no proxies, so it goes by the base URL.
const WebSocket = require('ws');

const url = process.env.OPENAI_BASE_URL.replace('http', 'ws') + '/realtime?model=gpt-fake';
const headers = { Authorization: `Bearer ${process.env.OPENAI_API_KEY}` };
const socket = new WebSocket(url, { headers });
socket.on('open', () => socket.send('Guten Tag'));
socket.on('message', (data, isBinary) => {
  if (isBinary) {
    console.log('bytes:', data.length);
    socket.ping();
  } else {
    console.log('text:', data.toString());
    socket.send(Buffer.alloc(100_000, 'x'));
  }
});
socket.on('pong', () => {
  console.log('pong');
  socket.close();
});
