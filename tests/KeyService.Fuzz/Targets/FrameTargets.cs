using System.Buffers.Binary;
using System.Net;
using Google.Protobuf;
using KeyService.Fuzz.Engine;
using KeyService.Protocol.V1;
using static KeyService.Fuzz.Engine.BrokenPropertyException;

namespace KeyService.Fuzz.Targets;

/// <summary>
/// Bodies of gRPC calls, frames included (flag 1 | length 4 | message), sent to the transport and the pipeline as the service sets them up. The first
/// byte says which call of the Cipher service. Whatever comes, the caller gets a status of ours and the log a record.
/// </summary>
internal static class FrameTargets
{
    private static readonly string[] Methods = ["Encrypt", "Decrypt", "EncryptBatch", "DecryptBatch", "ReencryptBatch", "EncryptStream", "DecryptStream"];

    // OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED. UNKNOWN or INTERNAL would be a fault that nobody foresaw.
    private static readonly string[] Statuses = ["0", "3", "8", "12"];

    private static readonly Lazy<FrameHost> Host = new(FrameHost.Start);

    public static IReadOnlyList<FuzzTarget> All { get; } =
    [
        new("grpc-frame", [], Frame)
        {
            MaxLength = 8192, Weight = 0.03, AllocatedAtMost = 1 << 22, Seeds = Seeds,
            Words = [[0, 0, 0, 0, 0], [1, 0, 0, 0, 0], [2, 0, 0, 0, 1], [0, 0xFF, 0xFF, 0xFF, 0xFF], [0, 0x7F, 0xFF, 0xFF, 0xFF], [0, 0, 0x40, 0, 0], [0, 0, 0x40, 0, 1], [0x1F, 0x8B, 0x08]],
        },
    ];

    private static Outcome Frame(byte[] input)
    {
        if (input.Length == 0)
        {
            return Outcome.Refused(-1);
        }
        int method = input[0] % Methods.Length;
        bool compressed = input[0] >= 128;
        long records = Host.Value.Store.Records;
        (HttpStatusCode http, string? status) = Host.Value.Call(Methods[method], input[1..], compressed);
        Unless(http == HttpStatusCode.OK, "a broken frame is answered as gRPC has it");
        Unless(status is not null && Statuses.Contains(status), $"a broken frame is answered with a status that fits; this is {status ?? "none"}");
        Unless(Host.Value.Store.Records > records, "a broken frame is recorded before it is answered");
        int detail = (method * 64) + (compressed ? 32 : 0) + int.Parse(status!, System.Globalization.CultureInfo.InvariantCulture);
        return status == "0" ? Outcome.Taken(detail) : Outcome.Refused(detail);
    }

    private static IEnumerable<(string Name, byte[] Input)> Seeds()
    {
        byte[] request = new EncryptRequest { Key = "ehr/one", Plaintext = ByteString.CopyFromUtf8("Befund") }.ToByteArray();
        for (int method = 0; method < Methods.Length; method++)
        {
            yield return (Methods[method].ToLowerInvariant(), [(byte)method, .. Framed(method < 5 ? request : new EncryptStreamRequest { Data = ByteString.CopyFromUtf8("x") }.ToByteArray())]);
        }
        yield return ("two-messages", [0, .. Framed(request), .. Framed(request)]);
        yield return ("length-too-large", [0, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
        yield return ("ends-in-the-prefix", [5, 0, 0, 0]);
        using var zipped = new MemoryStream();
        using (var gzip = new System.IO.Compression.GZipStream(zipped, System.IO.Compression.CompressionLevel.Fastest, leaveOpen: true))
        {
            gzip.Write(request);
        }
        yield return ("gzip", [133, .. Framed(zipped.ToArray(), flag: 1)]);
        yield return ("gzip-broken", [133, .. Framed([0x1F, 0x8B, 0x08, 0xFF, 0xFF], flag: 1)]);
    }

    private static byte[] Framed(byte[] message, byte flag = 0)
    {
        byte[] prefix = [flag, 0, 0, 0, 0];
        BinaryPrimitives.WriteInt32BigEndian(prefix.AsSpan(1), message.Length);
        return [.. prefix, .. message];
    }
}
