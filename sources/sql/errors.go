package sqlsource

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"syscall"

	"github.com/usher-id/usher/pipeline"
)

// failure is an error of a driver, as far as it matters here.
type failure struct {
	// lost says that the connection is gone, or that the server does not take one at the moment.
	lost bool
	// timeout says that the server ended the statement because it took too long.
	timeout bool
	// retry says that the same statement may succeed on the same connection.
	retry bool
	// hint says what to do where no connection could be made; empty for the usual.
	hint string
	// text is what the server or the driver says; it may show secrets.
	text string
}

const (
	loginHint = "check the user, password and database of the DSN"
	tlsHint   = "check what the DSN says about TLS"
)

var (
	errTimeout = errors.New("the statement took too long")
	errHung    = errors.New("the server does not answer")
)

// network tells failures below the database's own protocol; ok is false for others.
func network(err error) (failure, bool) {
	var errno syscall.Errno
	var dns *net.DNSError
	var op *net.OpError
	var certificate *tls.CertificateVerificationError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.Is(err, errTimeout):
		return failure{timeout: true, text: errTimeout.Error()}, true
	case errors.Is(err, errHung):
		return failure{lost: true, text: errHung.Error()}, true
	case errors.As(err, &dns):
		return failure{lost: dns.IsTemporary || dns.IsTimeout, text: "the name of the host is not known"}, true
	case errors.As(err, &certificate), errors.As(err, new(x509.UnknownAuthorityError)), errors.As(err, new(x509.HostnameError)):
		return failure{hint: tlsHint, text: "the server's TLS certificate is not accepted"}, true
	case errors.As(err, &errno):
		return failure{lost: true, text: errno.Error()}, true
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return failure{lost: true, text: "the connection was lost"}, true
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return failure{lost: true, text: "no answer in time"}, true
	case errors.As(err, &op):
		return failure{lost: true, text: "the connection was lost"}, true
	}
	return failure{}, false
}

func (s *source) classify(err error) failure {
	f := s.dialect.classify(err)
	f.text = s.scrubber.scrub(f.text)
	return f
}

func (s *source) reason(err error) string { return s.classify(err).text }

// unreachable is the error where no connection could be made.
func (s *source) unreachableError(err error) error {
	f := s.classify(err)
	hint := cmp.Or(f.hint, "check the host, port and network of the DSN")
	return &pipeline.Error{Code: "sql.unreachable", Unreachable: true,
		Message: "the database of the source cannot be reached: " + f.text, Hint: hint}
}

// readError is what ends the run where the reading fails for good.
func (s *source) readError(err error) error {
	var own *pipeline.Error
	if errors.As(err, &own) {
		return own
	}
	f := s.classify(err)
	switch {
	case f.timeout:
		return &pipeline.Error{Code: "sql.timeout", Message: fmt.Sprintf("reading %s: a query took longer than %v", s.origin, s.timeout),
			Hint: "read smaller pages by an indexed key, or raise statement_timeout"}
	case f.lost:
		return &pipeline.Error{Code: "sql.connection_lost", Unreachable: true,
			Message: fmt.Sprintf("reading %s: %s", s.origin, f.text), Hint: "resume the run when the database is back"}
	}
	return &pipeline.Error{Code: "sql.query_failed", Message: fmt.Sprintf("reading %s: %s", s.origin, f.text),
		Hint: "check the table, columns and query"}
}

func itoa(n int) string { return strconv.Itoa(n) }
