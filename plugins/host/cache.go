package host

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"google.golang.org/protobuf/proto"

	"github.com/usher-id/usher/pipeline"
	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

// What a plugin says of itself is the same as long as its file and the way in which it is run are: it is kept by them, so that a pipeline file can be
// read without starting anything. Where it cannot be kept the plugin is asked again.

// cacheKey names what a plugin says. The file's name counts: a script may be called by it.
func cacheKey(decl pipeline.Plugin) string {
	key := sha256.Sum256(fmt.Appendf(nil, "%s %q %q", strings.ToLower(decl.SHA256), filepath.Base(decl.Path), decl.Command))
	return hex.EncodeToString(key[:])
}

func (h *Host) cached(key string) *pb.DescribeResponse {
	if h.cache == "" {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(h.cache, key))
	if err != nil {
		return nil
	}
	d := &pb.DescribeResponse{}
	if proto.Unmarshal(data, d) != nil {
		return nil
	}
	return d
}

func (h *Host) keep(key string, d *pb.DescribeResponse) {
	if h.cache == "" {
		return
	}
	data, err := proto.Marshal(d)
	if err != nil || os.MkdirAll(h.cache, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(h.cache, key+".*")
	if err != nil {
		return
	}
	_, err = f.Write(data)
	if f.Close() == nil && err == nil && os.Rename(f.Name(), filepath.Join(h.cache, key)) == nil {
		return
	}
	_ = os.Remove(f.Name())
}
