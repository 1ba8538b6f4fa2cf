using KeyService.Crypto;
using KeyService.Server.Storage;

namespace KeyService.Server.Access;

/// <summary>A principal as its table has it.</summary>
internal sealed class PrincipalRow
{
    public const string Columns =
        """
        SELECT name, type, credential_kind AS CredentialKind, credential_value AS CredentialValue, disabled, created_at AS CreatedAt, revision, mac
        FROM principals
        """;

    public const string Select = Columns + " ORDER BY name";

    public const string Insert =
        """
        INSERT INTO principals (name, type, credential_kind, credential_value, disabled, created_at, revision, mac)
        VALUES (@Name, @Type, @CredentialKind, @CredentialValue, @Disabled, @CreatedAt, @Revision, @Mac)
        """;

    public const string Update =
        "UPDATE principals SET disabled = @Disabled, revision = @Revision, mac = @Mac WHERE name = @Name AND revision = @Revision - 1";

    public string Name { get; set; } = "";

    public long Type { get; set; }

    public long CredentialKind { get; set; }

    public string CredentialValue { get; set; } = "";

    public long Disabled { get; set; }

    public long CreatedAt { get; set; }

    public long Revision { get; set; }

    public byte[] Mac { get; set; } = [];

    public static PrincipalRow Of(Principal principal) => new()
    {
        Name = principal.Name,
        Type = (long)principal.Type,
        CredentialKind = (long)principal.Credential.Kind,
        CredentialValue = principal.Credential.Value,
        Disabled = principal.Disabled ? 1 : 0,
        CreatedAt = UnixTime.Nanoseconds(principal.CreateTime),
        Revision = principal.Revision,
    };

    public byte[] Canonical() => RowMac.Row(AccessRows.PrincipalsTable)
        .AddString(Name).AddInt64(Type).AddInt64(CredentialKind).AddString(CredentialValue).AddInt64(Disabled).AddInt64(CreatedAt).AddInt64(Revision)
        .ToArray();

    /// <summary>Only of a verified row.</summary>
    public Principal ToPrincipal() => new()
    {
        Name = Name,
        Type = (PrincipalType)Type,
        Credential = new Credential((CredentialKind)CredentialKind, CredentialValue),
        Disabled = Disabled != 0,
        CreateTime = UnixTime.FromNanoseconds(CreatedAt),
        Revision = Revision,
    };
}
