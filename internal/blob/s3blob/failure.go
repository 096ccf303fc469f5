package s3blob

import (
	"context"
	"crypto/tls"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/minio/minio-go/v7"

	"github.com/counterfoil/counterfoil/internal/errkind"
)

// codeOf gives the service's code for an error, "" for one that is not its own.
func codeOf(err error) string {
	var answer minio.ErrorResponse
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

// failure gives an error of the client its kind. Its text is made anew, so that
// nothing secret that a service repeats gets into it.
func (d *Driver) failure(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ended := ctx.Err(); ended != nil {
		return ended
	}
	var answer minio.ErrorResponse
	if errors.As(err, &answer) {
		return d.answered(answer)
	}
	return errkind.New(unanswered(err), "%s", d.clean(bare(err).Error()))
}

// answered gives an error that the service answered with its kind.
func (d *Driver) answered(answer minio.ErrorResponse) error {
	switch answer.Code {
	case minio.NoSuchBucket:
		return errkind.New(errkind.NotFound, "there is no bucket %s", d.cfg.Bucket)
	case minio.NoSuchKey, minio.NoSuchVersion:
		return errkind.New(errkind.NotFound, "no object of that name")
	case minio.PreconditionFailed:
		return errkind.New(errkind.Exists, "an object of that name exists")
	}
	return errkind.New(kindOf(answer), "%s (%s)", d.clean(strings.TrimSuffix(answer.Error(), ".")), d.clean(answer.Code))
}

// kindOf gives the kind of the service's other answers.
func kindOf(answer minio.ErrorResponse) errkind.Kind {
	switch answer.Code {
	case minio.AccessDenied, minio.AllAccessDisabled, minio.InvalidAccessKeyID, minio.SignatureDoesNotMatch, minio.RequestTimeTooSkewed,
		"ExpiredToken", "ExpiredTokenException", "InvalidToken", "InvalidTokenId", "AccountProblem":
		return errkind.NotAllowed
	case minio.BadDigest, minio.XAmzContentSHA256Mismatch, "XAmzContentChecksumMismatch", "InvalidChecksum":
		return errkind.Damaged
	case "QuotaExceeded", "XMinioAdminBucketQuotaExceeded", "XMinioStorageFull", "InsufficientStorage", "StorageLimitExceeded":
		return errkind.NoSpace
	case minio.NotImplemented, minio.APINotSupported, minio.InvalidObjectState, minio.MethodNotAllowed:
		return errkind.Unsupported
	case minio.InternalError, minio.IncompleteBody, minio.Conflict, "ConditionalRequestConflict", "OperationAborted", "SlowDown", "SlowDownRead", "SlowDownWrite",
		"RequestTimeout", "ServiceUnavailable", "ServerBusy", "Throttling", "ThrottlingException", "RequestLimitExceeded", "XMinioServerNotInitialized":
		return errkind.Unavailable
	}
	switch status := answer.StatusCode; {
	case status == http.StatusInsufficientStorage:
		return errkind.NoSpace
	case status == http.StatusNotImplemented:
		return errkind.Unsupported
	case status >= 500, status == http.StatusRequestTimeout, status == http.StatusTooManyRequests, status == http.StatusConflict:
		return errkind.Unavailable
	case status == http.StatusForbidden, status == http.StatusUnauthorized:
		return errkind.NotAllowed
	case status == http.StatusNotFound:
		return errkind.NotFound
	case status >= 300:
		return errkind.Invalid
	}
	return errkind.Internal
}

// unanswered gives the kind of an error that came up on the way. A certificate
// that is not trusted is none that a later attempt would find better.
func unanswered(err error) errkind.Kind {
	var certificate *tls.CertificateVerificationError
	var network net.Error
	var syntax *xml.SyntaxError
	switch {
	case errors.As(err, &certificate):
		return errkind.Invalid
	case errors.As(err, &network), errors.As(err, &syntax), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, net.ErrClosed):
		return errkind.Unavailable
	default:
		return errkind.Internal
	}
}

// bare takes the address from an error of the network: ours name the object
// instead.
func bare(err error) error {
	var at *url.Error
	if errors.As(err, &at) {
		return at.Err
	}
	return err
}

// clean takes the secrets of the credentials from a text.
func (d *Driver) clean(text string) string {
	for _, creds := range []Credentials{d.cfg.Credentials, d.cfg.Dispose, d.cfg.Canary, d.cfg.Officer} {
		for _, secret := range []string{creds.SecretKey, creds.SessionToken} {
			if secret != "" {
				text = strings.ReplaceAll(text, secret, "[secret]")
			}
		}
	}
	return text
}

// denied reports whether err is how services answer to a change that a lock
// forbids: some as a lack of permission, some as a request that cannot be right.
func denied(err error) bool {
	return errkind.Is(err, errkind.NotAllowed) || errkind.Is(err, errkind.Invalid)
}
