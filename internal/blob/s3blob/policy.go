package s3blob

import (
	"encoding/json"
	"fmt"
)

// The credentials that a store is used with, each with its own policy.
const (
	// CredentialWrite puts objects with their locks and raises locks.
	CredentialWrite = "write"
	// CredentialRead reads objects and locks, for restoring and verifying.
	CredentialRead = "read"
	// CredentialDispose deletes versions whose lock has ended.
	CredentialDispose = "dispose"
	// CredentialCanary attacks the objects below canary/, and can do nothing else.
	CredentialCanary = "canary"
)

// canaryPrefix is where the objects are that are made to be attacked.
const canaryPrefix = "canary/"

type policy struct {
	Version   string
	Statement []statement
}

type statement struct {
	Sid       string
	Effect    string
	Action    []string
	Resource  []string
	Condition map[string]map[string]string `json:",omitempty"`
}

// Policies gives the policy of each credential for a bucket, in the language of
// Amazon's IAM, which MinIO and others take too, by the name of the credential.
// None but that of the canary may bypass governance, and none may change the
// bucket. The canary may do more below canary/, so that what refuses it there is
// the lock and not a missing permission.
func Policies(bucket, prefix string) map[string]string {
	list := map[string]policy{
		CredentialWrite: {Statement: []statement{
			look(bucket),
			objects(bucket, prefix, "Objects", "s3:PutObject", "s3:PutObjectRetention", "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention", "s3:GetObjectLegalHold"),
			never(bucket, append(removing(), "s3:PutObjectLegalHold")...),
			noForeignKeys(bucket),
		}},
		CredentialRead: {Statement: []statement{
			look(bucket),
			objects(bucket, prefix, "Objects", "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention", "s3:GetObjectLegalHold"),
			never(bucket, append(removing(), "s3:PutObject", "s3:PutObjectRetention", "s3:PutObjectLegalHold")...),
		}},
		CredentialDispose: {Statement: []statement{
			look(bucket),
			// Amazon asks for the second to delete a version, MinIO for the first, whose
			// delete markers hide nothing from us.
			objects(bucket, prefix, "Objects", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention", "s3:GetObjectLegalHold"),
			never(bucket, "s3:BypassGovernanceRetention", "s3:ReplicateObject", "s3:ReplicateDelete", "s3:PutObject", "s3:PutObjectRetention", "s3:PutObjectLegalHold"),
		}},
		CredentialCanary: {Statement: []statement{
			look(bucket),
			objects(bucket, prefix+canaryPrefix, "Canaries", "s3:PutObject", "s3:PutObjectRetention", "s3:GetObject", "s3:GetObjectVersion", "s3:GetObjectRetention",
				"s3:GetObjectLegalHold", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention"),
		}},
	}
	texts := map[string]string{}
	for name, p := range list {
		p.Version = "2012-10-17"
		text, err := json.MarshalIndent(p, "", "  ")
		if err != nil {
			panic(fmt.Sprintf("policy %s: %v", name, err)) // strings and maps of strings always marshal
		}
		texts[name] = string(text) + "\n"
	}
	return texts
}

// look allows what opening and listing need. The whole bucket is listed: what
// somebody hides in it should be seen.
func look(bucket string) statement {
	return statement{Sid: "Bucket", Effect: "Allow", Resource: []string{"arn:aws:s3:::" + bucket}, Action: []string{
		"s3:ListBucket", "s3:ListBucketVersions", "s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:GetBucketObjectLockConfiguration",
	}}
}

func objects(bucket, prefix, sid string, actions ...string) statement {
	return statement{Sid: sid, Effect: "Allow", Action: actions, Resource: []string{"arn:aws:s3:::" + bucket + "/" + prefix + "*"}}
}

// never denies what a credential must not be given by another policy either.
func never(bucket string, actions ...string) statement {
	return statement{Sid: "Never", Effect: "Deny", Action: actions, Resource: []string{"arn:aws:s3:::" + bucket + "/*"}}
}

func removing() []string {
	return []string{"s3:DeleteObject", "s3:DeleteObjectVersion", "s3:BypassGovernanceRetention", "s3:ReplicateObject", "s3:ReplicateDelete"}
}

// noForeignKeys denies to put what only the holder of a key of his own could
// read, which is how buckets are held to ransom.
func noForeignKeys(bucket string) statement {
	s := never(bucket, "s3:PutObject")
	s.Sid = "NoForeignKeys"
	s.Condition = map[string]map[string]string{"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}}
	return s
}
