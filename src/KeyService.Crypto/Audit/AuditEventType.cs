namespace KeyService.Crypto;

/// <summary>What an audited event did to what it touched (rule R22). Frozen.</summary>
public enum AuditEventType : byte
{
    Read = 1,
    Modify = 2,
    Delete = 3,
    Administer = 4,
}
