using Google.Protobuf.Reflection;
using KeyService.Protocol.V1;

namespace KeyService.Protocol.Approvals;

/// <summary>The methods of <c>keyservice/v1</c> by their full names.</summary>
public static class ProtocolMethods
{
    private static readonly Dictionary<string, MethodDescriptor> ByName = new[]
        {
            AccessReflection.Descriptor, AccessReviewsReflection.Descriptor, AlarmsReflection.Descriptor, ApprovalsReflection.Descriptor, AuditReflection.Descriptor, BackupsReflection.Descriptor, CeremoniesReflection.Descriptor,
            BreakGlassReflection.Descriptor,
            CipherReflection.Descriptor, DataKeysReflection.Descriptor, DestructionReflection.Descriptor, EvidenceReflection.Descriptor, HoldingsReflection.Descriptor,
            KeysReflection.Descriptor, PlacesReflection.Descriptor, RetentionReflection.Descriptor,
            ReviewsReflection.Descriptor, SinksReflection.Descriptor,
            RotationReflection.Descriptor, SessionsReflection.Descriptor, StoreReflection.Descriptor, SystemReflection.Descriptor,
        }
        .SelectMany(file => file.Services).SelectMany(service => service.Methods)
        .ToDictionary(method => $"{method.Service.FullName}/{method.Name}", StringComparer.Ordinal);

    /// <summary>"keyservice.v1.Destructions/CompleteDestruction"; null when this program does not know it.</summary>
    public static MethodDescriptor? Find(string fullName) => ByName.GetValueOrDefault(fullName);
}
