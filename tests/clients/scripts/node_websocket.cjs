// The WebSocket that Node itself has: nothing can be given to it but the
// address and a protocol.
const socket = new WebSocket('wss://api.openai.com/v1/realtime?model=gpt-fake');
socket.binaryType = 'arraybuffer';
socket.onopen = () => socket.send('Guten Tag');
socket.onerror = (event) => console.log('error:', event.message ?? event.error);
socket.onmessage = ({ data }) => {
  if (typeof data === 'string') {
    console.log('text:', data);
    socket.send(new Uint8Array(100_000));
  } else {
    console.log('bytes:', data.byteLength);
    socket.close();
  }
};
