// A stock peer for the interop tests: hashicorp/yamux over a WebSocket, as a server or as a client of a name.
//
//	hashicorp-peer URL serve NAME
//	    claims the name and echoes every stream until its finish, then finishes
//	hashicorp-peer URL connect NAME --bytes N --streams K
//	    sends N seeded bytes on each of K streams while it reads the echo
//
// Built from Debian's packages: GO111MODULE=off GOPATH=/usr/share/gocode go build.
package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net"
	"os"
	"strconv"

	"github.com/hashicorp/yamux"
	"nhooyr.io/websocket"
)

const chunk = 64 * 1024

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 3 {
		return fmt.Errorf("usage: hashicorp-peer URL serve|connect NAME [--bytes N] [--streams K]")
	}
	session, err := dial(args[0])
	if err != nil {
		return err
	}
	if args[1] == "serve" {
		return serve(session, args[2])
	}
	total, streams := 1<<20, 1
	for flags := args[3:]; len(flags) >= 2; flags = flags[2:] {
		value, err := strconv.Atoi(flags[1])
		if err != nil {
			return err
		}
		switch flags[0] {
		case "--bytes":
			total = value
		case "--streams":
			streams = value
		}
	}
	return connect(session, args[2], total, streams)
}

func dial(url string) (*yamux.Session, error) {
	background := context.Background()
	socket, _, err := websocket.Dial(background, url, &websocket.DialOptions{
		Subprotocols:    []string{"bss.1"},
		CompressionMode: websocket.CompressionDisabled,
	})
	if err != nil {
		return nil, err
	}
	socket.SetReadLimit(math.MaxInt64 - 1)
	config := yamux.DefaultConfig()
	config.LogOutput = os.Stderr
	return yamux.Client(websocket.NetConn(background, socket, websocket.MessageBinary), config)
}

func writeMessage(stream net.Conn, message interface{}) error {
	body, err := json.Marshal(message)
	if err != nil {
		return err
	}
	head := make([]byte, 2, 2+len(body))
	binary.BigEndian.PutUint16(head, uint16(len(body)))
	_, err = stream.Write(append(head, body...))
	return err
}

func readMessage(stream net.Conn) (map[string]interface{}, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(stream, head); err != nil {
		return nil, err
	}
	body := make([]byte, binary.BigEndian.Uint16(head))
	if _, err := io.ReadFull(stream, body); err != nil {
		return nil, err
	}
	message := map[string]interface{}{}
	return message, json.Unmarshal(body, &message)
}

func open(session *yamux.Session, message interface{}) (net.Conn, error) {
	stream, err := session.Open()
	if err != nil {
		return nil, err
	}
	if err := writeMessage(stream, message); err != nil {
		return nil, err
	}
	reply, err := readMessage(stream)
	if err != nil {
		return nil, err
	}
	if refusal, refused := reply["error"]; refused {
		return nil, fmt.Errorf("refused: %v", refusal)
	}
	return stream, nil
}

func serve(session *yamux.Session, name string) error {
	if _, err := open(session, map[string]string{"path": "/browser-server/listen/" + name}); err != nil {
		return err
	}
	fmt.Println("ready")
	for {
		stream, err := session.Accept()
		if err != nil {
			return err
		}
		go func() {
			if err := answer(stream); err != nil {
				fmt.Fprintln(os.Stderr, "a stream failed:", err)
			}
		}()
	}
}

// answer echoes until the finish; a client that says after-finish gets all of it only then.
func answer(stream net.Conn) error {
	message, err := readMessage(stream)
	if err != nil {
		return err
	}
	if err := writeMessage(stream, struct{}{}); err != nil {
		return err
	}
	if message["meta"] == "after-finish" {
		all, err := io.ReadAll(stream)
		if err != nil {
			return err
		}
		if _, err := stream.Write(all); err != nil {
			return err
		}
	} else if _, err := io.CopyBuffer(struct{ io.Writer }{stream}, struct{ io.Reader }{stream}, make([]byte, chunk)); err != nil {
		return err
	}
	return stream.Close()
}

func connect(session *yamux.Session, name string, total, streams int) error {
	results := make(chan error, streams)
	for seed := 0; seed < streams; seed++ {
		go func(seed int) {
			stream, err := open(session, map[string]interface{}{"path": "/browser-server/connect/" + name, "wait": 15000})
			if err == nil {
				err = exchange(stream, seed, total)
			}
			results <- err
		}(seed)
	}
	for i := 0; i < streams; i++ {
		if err := <-results; err != nil {
			return err
		}
	}
	return json.NewEncoder(os.Stdout).Encode(map[string]interface{}{"streams": streams, "bytes": total, "equal": true})
}

// exchange reads the whole echo before it closes: this yamux reads nothing after its own Close.
func exchange(stream net.Conn, seed, total int) error {
	sent := make(chan error, 1)
	go func() {
		for at := 0; at < total; at += chunk {
			if _, err := stream.Write(pattern(seed, at, min(chunk, total-at))); err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	buffer := make([]byte, chunk)
	for at := 0; at < total; {
		read, err := stream.Read(buffer)
		if !bytes.Equal(buffer[:read], pattern(seed, at, read)) {
			return fmt.Errorf("the echo differs behind %d", at)
		}
		at += read
		if err != nil {
			return fmt.Errorf("the echo ended after %d of %d bytes: %w", at, total, err)
		}
	}
	if err := <-sent; err != nil {
		return err
	}
	return stream.Close()
}

func pattern(seed, at, length int) []byte {
	out := make([]byte, length)
	for i := range out {
		x := at + i
		out[i] = byte(x ^ x>>8 ^ x>>16 ^ seed*31)
	}
	return out
}

func min(a, b int) int {
	if a < b {
		return a
	}
	return b
}
