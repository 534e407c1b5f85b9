package keeper

import (
	"mintkeep/keeper/internal/fault"
)

// Fault is an error with its kind and, where there is one, what to do about it.
type Fault = fault.Fault

// The kinds of failure that a caller may want to tell apart with errors.Is.
var (
	ErrUnknown     = fault.ErrUnknown     // no such connection, provider or key
	ErrExists      = fault.ErrExists      // the name is taken
	ErrInvalid     = fault.ErrInvalid     // what was asked for makes no sense
	ErrReauthorize = fault.ErrReauthorize // only a person can bring this connection back, with Connect
	ErrTemporary   = fault.ErrTemporary   // the provider cannot be reached; try later
	ErrDenied      = fault.ErrDenied      // the person or the provider refused
	ErrExpired     = fault.ErrExpired     // the person did not finish in time
	ErrKey         = fault.ErrKey         // the sealing key is missing, wrong or unsafe
	ErrSealed      = fault.ErrSealed      // a sealed value was changed, moved or sealed elsewhere
)
