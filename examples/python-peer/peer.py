"""A peer in plain Python 3: WebSocket, yamux, the open and its reply, as proxy/PROTOCOL.md has them.

peer.py ws://127.0.0.1:8080/mux connect NAME    sends its input to whoever serves NAME, prints what comes back
peer.py ws://127.0.0.1:8080/mux listen NAME     serves an echo under NAME, until Ctrl-C
"""
import base64, http.client, json, os, signal, struct, sys, threading
from urllib.parse import quote, urlsplit

DATA, WINDOW_UPDATE, PING = 0, 1, 2
SYN, ACK, FIN, RST = 1, 2, 4, 8

class Stream:
    def __init__(self, number):
        self.number, self.credit, self.said = number, 262144, None
        self.heard, self.outgoing, self.finishing = b"", b"", False
    def write(self, data=b"", finish=False, credit=0):  # sends what there is credit for; the rest waits for more
        self.outgoing, self.finishing, self.credit = self.outgoing + data, self.finishing or finish, self.credit + credit
        while size := min(len(self.outgoing), self.credit, 32768):
            send(DATA, 0, self.number, size, self.outgoing[:size])
            self.outgoing, self.credit = self.outgoing[size:], self.credit - size
            self is first or send(WINDOW_UPDATE, 0, self.number, size)  # an echo takes as much as it got rid of
        if self.finishing is True and not self.outgoing:
            self.finishing = "said"
            send(DATA, FIN, self.number)
            self is first or streams.pop(self.number)
    def write_json(self, value):
        self.write(struct.pack(">H", len(text := json.dumps(value).encode())) + text)
    def take(self, data):
        self.heard += data
        if self.said is None:  # the open or the reply comes first
            size = 2 + int.from_bytes(self.heard[:2], "big")
            if len(self.heard) < max(size, 3):
                return
            self.said, self.heard = json.loads(self.heard[2:size]), self.heard[size:]
            "error" in self.said and sys.exit("{code}: {message}".format(**self.said["error"]))
            print(f"{role}: {name}" if self is first else f"client {self.said['id']}", file=sys.stderr, flush=True)
            self is first or self.write_json({})
        data, self.heard = self.heard, b""
        if self is first:  # what comes on a claim's stream are notes, which may be ignored
            os.write(1, data if role == "connect" else b"")
            send(WINDOW_UPDATE, 0, self.number, len(data))
        else:
            self.write(data)

def send(kind, flags, number, length=0, data=b""):  # a frame of yamux, in a message of the WebSocket
    size, mask, frame = 12 + len(data), os.urandom(4), struct.pack(">BBHII", 0, kind, flags, number, length) + data
    head = struct.pack(">BBH", 130, 254, size) if size > 125 else bytes([130, 128 | size])
    masked = int.from_bytes(frame, "big") ^ int.from_bytes((mask * (size // 4 + 1))[:size], "big")
    connection.sendall(head + mask + masked.to_bytes(size, "big"))

def read(size):  # so many bytes out of the messages: where those begin and end means nothing
    while len(came) < size:
        opcode, length = incoming.read(2) or sys.exit("lost: the proxy closed the connection")
        length = int.from_bytes(incoming.read({126: 2, 127: 8}[length]), "big") if length > 125 else length
        came.extend(incoming.read(length)[: length if opcode & 15 in (0, 2) else 0])  # the proxy pings by yamux alone
    data, came[:size] = bytes(came[:size]), b""
    return data

def take_frame(kind, flags, number, length, data):
    stream = streams.get(number)
    if kind == PING and flags & SYN:
        send(PING, ACK, 0, length)
    elif flags & SYN:  # somebody connects to the name that we serve
        stream = streams[number] = Stream(number)
        send(WINDOW_UPDATE, ACK, number)
    if stream and flags & RST:
        stream is first and sys.exit(f"the far side reset the stream with {length}")
        del streams[number]
    elif stream and kind == WINDOW_UPDATE:
        stream.write(credit=length)
    elif stream and data:
        stream.take(data)
    if stream and flags & FIN:
        stream is first and sys.exit(None if role == "connect" or stream.finishing else "the name was taken away")
        stream.write(finish=True)

def speak():  # what we have to say: our input, or nothing until Ctrl-C; then we finish
    data = True
    while data:
        data = os.read(0, 32768) if role == "connect" else signal.sigwait({signal.SIGINT}) and b""
        with turn:
            turn.wait_for(lambda: not first.outgoing)
            first.write(data, finish=not data)

_, url, role, name = sys.argv if sys.argv[2:3] in (["connect"], ["listen"]) and len(sys.argv) == 4 else sys.exit(__doc__)
at, came, turn, first = urlsplit(url), bytearray(), threading.Condition(), Stream(1)
streams, dialled, key = {1: first}, http.client.HTTPConnection(at.netloc), base64.b64encode(os.urandom(16)).decode()
asks = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "bss.1"}
dialled.request("GET", at.path, headers={**asks, "Sec-WebSocket-Key": key})
connection, answer = dialled.sock, dialled.getresponse()
incoming = answer.fp if answer.status == 101 else sys.exit(f"no proxy at {url}: {answer.status} {answer.reason}")
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT} if role == "listen" else {})
send(WINDOW_UPDATE, SYN, 1)
first.write_json({"path": f"/browser-server/{role}/{quote(name, safe='')}"})
threading.Thread(target=speak, daemon=True).start()
while frame := struct.unpack(">xBHII", read(12)):
    data = read(frame[3]) if frame[0] == DATA else b""
    with turn:
        take_frame(*frame, data)
        turn.notify_all()
