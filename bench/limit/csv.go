package main

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// csvHeader is the one that usher writes for bench/csv.yaml.
const csvHeader = "email,nickname,preferred_username,phone_number,email_verified,logins_count,created_at,locale," +
	"user_metadata.city,app_metadata.plan,custom_attributes.legacy_id,password.hash,password.hasher\n"

// piece is a block of lines on its way through a worker.
type piece struct {
	block []byte
	users int64
	done  chan []byte
}

// writeCSV decodes and maps on two cores and writes in order.
func writeCSV(in io.Reader, path string) (summary, error) {
	const workers = 2
	var sum summary
	out, err := os.Create(path)
	if err != nil {
		return sum, err
	}
	w := bufio.NewWriterSize(out, 256<<10)
	if _, err := w.WriteString(csvHeader); err != nil {
		return sum, err
	}
	b := newBlocks(in, 2*workers)
	work, order := make(chan *piece, workers), make(chan *piece, workers)
	free := make(chan []byte, 2*workers)
	var group errgroup.Group
	group.Go(func() error {
		defer close(work)
		defer close(order)
		for {
			block, err := b.next()
			if err == io.EOF {
				return nil
			}
			if err != nil {
				return err
			}
			p := &piece{block: block, done: make(chan []byte, 1)}
			order <- p
			work <- p
		}
	})
	for range workers {
		group.Go(func() error {
			var m mapper
			var u user
			var failure error
			for p := range work {
				var dst []byte
				select {
				case dst = <-free:
				default:
					dst = make([]byte, 0, blockSize)
				}
				err := eachLine(p.block, func(line []byte) error {
					p.users++
					err := m.read(line, &u)
					dst = u.appendCSV(dst)
					return err
				})
				if err != nil && failure == nil {
					failure = err
				}
				b.give(p.block)
				p.done <- dst
			}
			return failure
		})
	}
	var writeErr error
	for p := range order {
		dst := <-p.done
		if writeErr == nil {
			_, writeErr = w.Write(dst)
		}
		sum.Total += p.users
		select {
		case free <- dst[:0]:
		default:
		}
	}
	if err := group.Wait(); err != nil {
		return sum, err
	}
	if writeErr == nil {
		writeErr = w.Flush()
	}
	if writeErr != nil {
		return sum, writeErr
	}
	return sum, out.Close()
}

func (u *user) appendCSV(dst []byte) []byte {
	dst = appendCell(dst, u.email())
	dst = appendCell(dst, u.nickname)
	dst = appendCell(dst, u.username())
	dst = appendCell(dst, u.phone())
	dst = append(strconv.AppendBool(dst, u.emailVerified), ',')
	dst = append(strconv.AppendInt(dst, u.loginsCount, 10), ',')
	dst = appendCell(dst, u.createdAt)
	dst = appendCell(dst, u.locale)
	dst = appendCell(dst, member(u.userMetadata, `{"city":"`, `"}`))
	dst = appendCell(dst, member(u.appMetadata, `{"plan":"`, `"}`))
	dst = appendCell(dst, member(u.customAttributes, `{"legacy_id":`, `}`))
	dst = appendCell(dst, u.password)
	return append(dst, "bcrypt\n"...)
}

// member takes the one value out of an object that this program has written.
func member(object, before, after string) string { return object[len(before) : len(object)-len(after)] }

func appendCell(dst []byte, s string) []byte {
	if strings.ContainsAny(s, ",\"\r\n") {
		dst = append(dst, '"')
		dst = append(dst, strings.ReplaceAll(s, `"`, `""`)...)
		return append(dst, '"', ',')
	}
	return append(append(dst, s...), ',')
}
