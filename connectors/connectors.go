// Package connectors knows the connectors that are built into usher.
package connectors

import (
	"github.com/usher-id/usher/pipeline"
	"github.com/usher-id/usher/presets"
	sinkcsv "github.com/usher-id/usher/sinks/csv"
	sinkdrop "github.com/usher-id/usher/sinks/drop"
	sinkexcel "github.com/usher-id/usher/sinks/excel"
	sinkjson "github.com/usher-id/usher/sinks/json"
	sinkstore "github.com/usher-id/usher/sinks/store"
	sourcecsv "github.com/usher-id/usher/sources/csv"
	sourceexcel "github.com/usher-id/usher/sources/excel"
	sourcejson "github.com/usher-id/usher/sources/json"
	sourceldif "github.com/usher-id/usher/sources/ldif"
	sourcesql "github.com/usher-id/usher/sources/sql"
	sourcestore "github.com/usher-id/usher/sources/store"
	transformdedupe "github.com/usher-id/usher/transforms/dedupe"
	transformdefault "github.com/usher-id/usher/transforms/default"
	transformfields "github.com/usher-id/usher/transforms/fields"
	transformfilter "github.com/usher-id/usher/transforms/filter"
	transformjoin "github.com/usher-id/usher/transforms/join"
	transformmap "github.com/usher-id/usher/transforms/map"
	transformsort "github.com/usher-id/usher/transforms/sort"
)

// Default gives a Registry of all connectors and presets that are built in.
func Default() *pipeline.Registry {
	return pipeline.NewRegistry(append(presets.Types(),
		sourcecsv.Type,
		sourceexcel.Type,
		sourcejson.Type,
		sourceldif.Type,
		sourcesql.Type,
		sourcestore.Type,

		transformdedupe.Type,
		transformdefault.Type,
		transformfields.Type,
		transformfilter.Type,
		transformjoin.Type,
		transformmap.Type,
		transformsort.Type,

		sinkcsv.Type,
		sinkdrop.Type,
		sinkexcel.Type,
		sinkjson.Type,
		sinkstore.Type,
	)...)
}
