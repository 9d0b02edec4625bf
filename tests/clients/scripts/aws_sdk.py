# boto3 as its documentation shows it: nothing is configured here.
import urllib.request

import boto3

print("account:", boto3.client("sts").get_caller_identity()["Account"])

s3 = boto3.client("s3")
name = "a folder/Grüße + mehr.txt"
for body in (b"Guten Tag", b"x" * 3_000_000):
    s3.put_object(Bucket="bucket", Key=name, Body=body)
    assert s3.get_object(Bucket="bucket", Key=name)["Body"].read() == body
print("stored:", s3.list_objects_v2(Bucket="bucket", Prefix="a folder/")["KeyCount"])

# An address that is signed, which another client fetches.
url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": name})
print("fetched:", len(urllib.request.urlopen(url).read()))

print("queues:", boto3.client("sqs").list_queues()["QueueUrls"])
