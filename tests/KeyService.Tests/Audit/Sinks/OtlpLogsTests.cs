using KeyService.Crypto;
using System.Text;
using System.Text.Json;
using KeyService.Server.Audit.Sinks;

namespace KeyService.Tests.Audit.Sinks;

public sealed class OtlpLogsTests
{
    [Fact]
    public void A_record_is_a_log_record_with_its_fields_as_attributes()
    {
        var record = SyslogMessageTests.Record(each => each with { Outcome = AuditOutcome.Refused, TraceId = new string('a', 32) });
        using var json = JsonDocument.Parse(OtlpLogs.Of([record], DateTimeOffset.UnixEpoch));
        var log = json.RootElement.GetProperty("resourceLogs")[0].GetProperty("scopeLogs")[0].GetProperty("logRecords")[0];
        Assert.Equal("1795389600000001999", log.GetProperty("timeUnixNano").GetString());
        Assert.Equal(13, log.GetProperty("severityNumber").GetInt32());
        Assert.Equal("keyservice.audit.key-rotated", log.GetProperty("eventName").GetString());
        Assert.Equal("key-rotated: by hand", log.GetProperty("body").GetProperty("stringValue").GetString());
        Assert.Equal(new string('a', 32), log.GetProperty("traceId").GetString());
        var attributes = log.GetProperty("attributes").EnumerateArray()
            .ToDictionary(each => each.GetProperty("key").GetString()!, each => each.GetProperty("value").GetProperty("stringValue").GetString());
        Assert.Equal("7", attributes["keyservice.audit.sequence"]);
        Assert.Equal("alice", attributes["keyservice.audit.principal"]);
        Assert.Equal(64, attributes["keyservice.audit.leaf_hash"]!.Length);
        Assert.DoesNotContain("keyservice.audit.device", attributes.Keys);
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("{}", null)]
    [InlineData("[]", null)]
    [InlineData("""{"partialSuccess":{}}""", null)]
    [InlineData("""{"partialSuccess":null}""", null)]
    [InlineData("""{"partialSuccess":{"rejectedLogRecords":"0"}}""", null)]
    [InlineData("""{"partialSuccess":{"rejectedLogRecords":0,"errorMessage":"a warning"}}""", null)]
    [InlineData("""{"partialSuccess":{"rejectedLogRecords":"3","errorMessage":"too\nlarge"}}""", "rejected 3 records: too?large")]
    [InlineData("""{"partialSuccess":{"rejectedLogRecords":3}}""", "rejected 3 records: ")]
    public void What_a_collector_did_not_take_is_not_delivered(string answer, string? rejection) =>
        Assert.Equal(rejection, OtlpLogs.Rejection(Encoding.UTF8.GetBytes(answer)));

    [Fact]
    public void An_answer_that_is_not_JSON_is_none() =>
        Assert.ThrowsAny<JsonException>(() => OtlpLogs.Rejection("<html>"u8.ToArray()));
}
