using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using KeyService.IntegrationTests.Service;
using KeyService.Protocol.V1;
using Enum = System.Enum;

namespace KeyService.IntegrationTests.RedTeam;

/// <summary>
/// Requests that are in order as far as can be told from the names of their fields, over a key that is there, a token, a wrapped data key and an
/// archive that somebody else made with it. Who is refused with them is refused for who they are.
/// </summary>
internal sealed class PlausibleRequest
{
    private const int Depth = 4;

    private static readonly string[] LeftOut =
    [
        // Set to what goes with the rest of the message, or taken from the message around.
        "keyservice.v1.DataKeyBinding.subject_id", "keyservice.v1.GenerateDataKeysRequest.subject_ids", "keyservice.v1.EncryptItem.context",
        "keyservice.v1.DecryptItem.context", "keyservice.v1.ChangeKeyVersionStateRequest.suspected_since", "keyservice.v1.SearchRequest.type",
    ];

    private readonly Key _key;
    private readonly Context _context;
    private readonly ByteString _token;
    private readonly ByteString _wrapped;
    private readonly ByteString _archive;

    private PlausibleRequest(Key key, Context context, ByteString token, ByteString wrapped, ByteString archive)
    {
        _key = key;
        _context = context;
        _token = token;
        _wrapped = wrapped;
        _archive = archive;
    }

    /// <summary>Over a new key, used by the principal "database".</summary>
    public static async Task<PlausibleRequest> PrepareAsync(ServiceFixture service)
    {
        var key = await Calls.NewKeyAsync(service, "red-team");
        var context = Calls.Context(("tenant", "st-mary"));
        using var channel = service.ConnectAs("database");
        var cipher = new Cipher.CipherClient(channel);
        var token = await cipher.EncryptAsync(new EncryptRequest { Key = key.Name, Context = context, Plaintext = ByteString.CopyFromUtf8("penicillin allergy") });
        var dataKey = await new DataKeys.DataKeysClient(channel).GenerateDataKeyAsync(
            new GenerateDataKeyRequest { Key = key.Name, Binding = new DataKeyBinding { Use = DataKeyUse.General, Context = context } });
        using var stream = cipher.EncryptStream();
        await stream.RequestStream.WriteAsync(new EncryptStreamRequest { Start = new EncryptStreamStart { Key = key.Name, Context = context } });
        await stream.RequestStream.WriteAsync(new EncryptStreamRequest { Data = ByteString.CopyFrom(new byte[1000]) });
        await stream.RequestStream.WriteAsync(new EncryptStreamRequest { Finish = new StreamFinish() });
        await stream.RequestStream.CompleteAsync();
        var archive = new MemoryStream();
        while (await stream.ResponseStream.MoveNext(CancellationToken.None))
        {
            stream.ResponseStream.Current.Data.WriteTo(archive);
        }

        return new PlausibleRequest(key, context, token.Ciphertext, dataKey.Wrapped, ByteString.CopyFrom(archive.ToArray()));
    }

    /// <summary>The messages that a caller sends: one, or those of a stream.</summary>
    public IReadOnlyList<byte[]> Of(MessageDescriptor type)
    {
        if (type.FullName == DecryptStreamRequest.Descriptor.FullName)
        {
            return
            [
                new DecryptStreamRequest { Start = new DecryptStreamStart() }.ToByteArray(), new DecryptStreamRequest { Data = _archive }.ToByteArray(),
                new DecryptStreamRequest { Finish = new StreamFinish() }.ToByteArray(),
            ];
        }

        return [Fill(type, 0).ToByteArray()];
    }

    private IMessage Fill(MessageDescriptor type, int depth)
    {
        if (type.FullName == Context.Descriptor.FullName)
        {
            return _context.Clone();
        }

        if (type.FullName == Timestamp.Descriptor.FullName)
        {
            return Timestamp.FromDateTimeOffset(DateTimeOffset.UtcNow.AddDays(1));
        }

        var message = (IMessage)Activator.CreateInstance(type.ClrType)!;
        var chosen = new HashSet<OneofDescriptor>();
        foreach (var field in type.Fields.InDeclarationOrder())
        {
            if (LeftOut.Contains(field.FullName) || (field.RealContainingOneof is { } oneOf && !chosen.Add(oneOf)) || field.IsMap
                || (field.FieldType == FieldType.Message && depth >= Depth))
            {
                continue;
            }

            if (field.IsRepeated)
            {
                ((System.Collections.IList)field.Accessor.GetValue(message)).Add(ValueOf(field, depth));
            }
            else
            {
                field.Accessor.SetValue(message, ValueOf(field, depth));
            }
        }

        return message;
    }

    private object ValueOf(FieldDescriptor field, int depth) => field.FieldType switch
    {
        FieldType.String => TextOf(field),
        FieldType.Bytes => field.Name switch { "ciphertext" => _token, "wrapped" => _wrapped, "data_key_id" => ByteString.CopyFrom(new byte[16]), _ => ByteString.CopyFrom(new byte[32]) },
        FieldType.Bool => false,
        FieldType.Int32 => field.Name is "page_size" or "count" ? 1 : 0,
        FieldType.Int64 => 0L,
        FieldType.UInt32 => 0U,
        FieldType.UInt64 => 0UL,
        FieldType.Enum => Enum.ToObject(
            field.EnumType.ClrType, field.FullName == "keyservice.v1.ChangeKeyVersionStateRequest.state" ? (int)KeyState.Suspended : field.EnumType.Values[1].Number),
        FieldType.Message when field.MessageType.FullName == Duration.Descriptor.FullName => Duration.FromTimeSpan(
            TimeSpan.FromDays(field.Name switch { "period" => 90, "limit" => 180, "warn_before" => 14, _ => 7 })),
        FieldType.Message => Fill(field.MessageType, depth + 1),
        _ => throw new NotSupportedException($"{field.FullName} is of type {field.FieldType}"),
    };

    private string TextOf(FieldDescriptor field) => field.Name switch
    {
        "request_id" => Guid.NewGuid().ToString(),
        "page_token" => "",
        "name" when field.ContainingType.File.Name.Contains("access", StringComparison.Ordinal) => "database",
        "name" or "key" or "key_name" or "key_pattern" => _key.Name,
        "principal" => "database",
        "key_version" or "key_versions" or "version" => _key.Primary.Id,
        "permissions" => "decrypt",
        "events" => "key-created",
        "certificate_san_uri" => "keyservice:principal/intruder",
        "id" when field.ContainingType.File.Name.Contains("destruction", StringComparison.Ordinal) => "0011223344556677",
        "id" or "scan_id" => "00112233445566778899aabbccddeeff",
        "reason" => "because I say so",
        _ => "text",
    };
}
