package host

import (
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"

	pb "github.com/usher-id/usher/plugins/proto/usher/plugin/v1"
)

// What a plugin says of itself is the same as long as its file is: it is kept by checksum, so that a pipeline file can be read without
// starting anything. Where it cannot be kept the plugin is asked again.

func (h *Host) cached(sum string) *pb.DescribeResponse {
	if h.cache == "" {
		return nil
	}
	data, err := os.ReadFile(filepath.Join(h.cache, sum))
	if err != nil {
		return nil
	}
	d := &pb.DescribeResponse{}
	if proto.Unmarshal(data, d) != nil {
		return nil
	}
	return d
}

func (h *Host) keep(sum string, d *pb.DescribeResponse) {
	if h.cache == "" {
		return
	}
	data, err := proto.Marshal(d)
	if err != nil || os.MkdirAll(h.cache, 0o700) != nil {
		return
	}
	f, err := os.CreateTemp(h.cache, sum+".*")
	if err != nil {
		return
	}
	_, err = f.Write(data)
	if f.Close() == nil && err == nil && os.Rename(f.Name(), filepath.Join(h.cache, sum)) == nil {
		return
	}
	_ = os.Remove(f.Name())
}
